//! A cluster of one server, which owns all slots.

use super::Engine;
use crate::servers::redis::commands::Call;
use crate::servers::redis::config::ClusterMode;
use crate::servers::redis::reply::{Answer, Reply, ReplyError};

/// Slots of every cluster.
const SLOTS: u16 = 16384;

/// The slot of a key: of what is between its first braces, if there is something, or of all of it.
fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inside = &key[open + 1..];
        let end = inside.iter().position(|byte| *byte == b'}')?;
        (end > 0).then(|| &inside[..end])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// The XMODEM checksum.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8)
            .fold(crc ^ (u16::from(*byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

impl Engine {
    fn in_cluster(&self) -> Result<(), ReplyError> {
        match self.config.cluster {
            ClusterMode::SingleNode => Ok(()),
            ClusterMode::Disabled => Err(ReplyError::Plain("This instance has cluster support disabled")),
        }
    }

    pub(in crate::servers::redis) fn cluster_switch(&mut self, _: &Call<'_>) -> Answer {
        // Without replicas and migrations it makes no difference.
        self.in_cluster().map(|()| Reply::OK)
    }

    pub(in crate::servers::redis) fn cluster_myid(&mut self, _: &Call<'_>) -> Answer {
        self.in_cluster()?;
        Ok(Reply::bulk(&self.node_id))
    }

    pub(in crate::servers::redis) fn cluster_keyslot(&mut self, call: &Call<'_>) -> Answer {
        self.in_cluster()?;
        Ok(Reply::Integer(i64::from(slot(call.args[2]))))
    }

    pub(in crate::servers::redis) fn cluster_slots(&mut self, _: &Call<'_>) -> Answer {
        self.in_cluster()?;
        // An empty host is the one the client is connected to: a node that met no other knows no address.
        let port = Reply::Integer(i64::from(self.address.port()));
        let node = Reply::Array(vec![Reply::bulk(""), port, Reply::bulk(&self.node_id), Reply::Array(Vec::new())]);
        let range = vec![Reply::Integer(0), Reply::Integer(i64::from(SLOTS) - 1), node];
        Ok(Reply::Array(vec![Reply::Array(range)]))
    }

    pub(in crate::servers::redis) fn cluster_shards(&mut self, _: &Call<'_>) -> Answer {
        self.in_cluster()?;
        let node = Reply::Map(vec![
            Reply::bulk("id"),
            Reply::bulk(&self.node_id),
            Reply::bulk("port"),
            Reply::Integer(i64::from(self.address.port())),
            Reply::bulk("ip"),
            Reply::bulk(""),
            Reply::bulk("endpoint"),
            Reply::bulk(""),
            Reply::bulk("role"),
            Reply::bulk("master"),
            Reply::bulk("replication-offset"),
            Reply::Integer(0),
            Reply::bulk("health"),
            Reply::bulk("online"),
        ]);
        let slots = Reply::Array(vec![Reply::Integer(0), Reply::Integer(i64::from(SLOTS) - 1)]);
        let nodes = Reply::Array(vec![node]);
        let shard = Reply::Map(vec![Reply::bulk("slots"), slots, Reply::bulk("nodes"), nodes]);
        Ok(Reply::Array(vec![shard]))
    }

    pub(in crate::servers::redis) fn cluster_nodes(&mut self, _: &Call<'_>) -> Answer {
        self.in_cluster()?;
        let (id, port) = (&self.node_id, self.address.port());
        let bus = u32::from(port) + 10_000;
        Ok(Reply::bulk(format!("{id} :{port}@{bus} myself,master - 0 0 0 connected 0-{}\n", SLOTS - 1)))
    }

    pub(in crate::servers::redis) fn cluster_info(&mut self, _: &Call<'_>) -> Answer {
        self.in_cluster()?;
        Ok(Reply::bulk(
            [
                "cluster_state:ok",
                "cluster_slots_assigned:16384",
                "cluster_slots_ok:16384",
                "cluster_slots_pfail:0",
                "cluster_slots_fail:0",
                "cluster_known_nodes:1",
                "cluster_size:1",
                "cluster_current_epoch:0",
                "cluster_my_epoch:0",
                "cluster_stats_messages_sent:0",
                "cluster_stats_messages_received:0",
                "total_cluster_links_buffer_limit_exceeded:0",
                "",
            ]
            .join("\r\n"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo{bar}"), 5061);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
    }
}
