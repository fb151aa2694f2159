//! The other servers of the cluster, as this one knows them. Pure; it knows no bytes and no time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::route::{Dial, Knowledge, Target};
use super::router::ClientKey;

/// Time before another attempt to reach a configured server.
pub(super) const RECONNECT: Duration = Duration::from_secs(1);

/// Who belongs to the cluster, by which route, and where clients reach them.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// The route to each server, by the server's id.
    routes: BTreeMap<String, ClientKey>,
    /// How many servers are reached by each address of another server.
    urls: BTreeMap<String, usize>,
    /// Where clients reach this server.
    own_urls: Vec<String>,
    /// What clients are told.
    told: Vec<String>,
    /// How often that changed.
    version: u64,
    dials: Vec<Dial>,
}

impl Membership {
    /// The route to this server.
    pub(super) fn route_to(&self, server_id: &str) -> Option<ClientKey> {
        self.routes.get(server_id).copied()
    }

    pub(super) fn add(&mut self, server_id: String, route: ClientKey) {
        self.routes.insert(server_id, route);
    }

    /// Forgets a server if this is the route to it. Returns whether it was.
    pub(super) fn remove(&mut self, server_id: &str, route: ClientKey) -> bool {
        let found = self.route_to(server_id) == Some(route);
        if found {
            self.routes.remove(server_id);
        }
        found
    }

    /// The routes to all servers.
    pub(super) fn members(&self) -> impl Iterator<Item = ClientKey> {
        self.routes.values().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Orders a connection.
    pub(super) fn dial(&mut self, target: Target, delay: Duration) {
        self.dials.push(Dial { target, delay });
    }

    /// Takes the orders given so far.
    pub(super) fn take_dials(&mut self) -> Vec<Dial> {
        std::mem::take(&mut self.dials)
    }

    pub(super) fn has_dials(&self) -> bool {
        !self.dials.is_empty()
    }

    /// Reacts to a connection that did not come about.
    pub(super) fn unreachable(&mut self, target: Target) {
        if target.knowledge == Knowledge::Explicit {
            self.dial(target, RECONNECT);
        }
    }

    pub(super) fn own_urls(&self) -> &[String] {
        &self.own_urls
    }

    /// Sets where clients reach this server, and what they are told before the cluster changes that.
    pub(super) fn set_own_urls(&mut self, own: Vec<String>, told: Vec<String>) {
        self.own_urls = own;
        self.told = told;
    }

    /// What clients are told.
    pub(super) fn told(&self) -> &[String] {
        &self.told
    }

    /// How often that changed.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Adds addresses of another server. Returns whether clients must be told.
    pub(super) fn add_urls(&mut self, urls: &[String]) -> bool {
        let mut changed = false;
        for url in urls {
            let count = self.urls.entry(url.clone()).or_default();
            *count += 1;
            changed |= *count == 1;
        }
        self.update(changed)
    }

    /// Removes addresses of another server. Returns whether clients must be told.
    pub(super) fn remove_urls(&mut self, urls: &[String]) -> bool {
        let mut changed = false;
        for url in urls {
            if let Some(count) = self.urls.get_mut(url) {
                *count -= 1;
                if *count == 0 {
                    self.urls.remove(url);
                    changed = true;
                }
            }
        }
        self.update(changed)
    }

    /// From now on clients are told of the other servers only.
    pub(super) fn withdraw(&mut self) {
        self.own_urls.clear();
        self.update(true);
    }

    fn update(&mut self, changed: bool) -> bool {
        if changed {
            self.told = self.own_urls.iter().chain(self.urls.keys()).cloned().collect();
            self.version += 1;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(urls: &[&str]) -> Vec<String> {
        urls.iter().map(|url| (*url).to_owned()).collect()
    }

    #[test]
    fn an_address_of_two_servers_goes_with_the_second() {
        let mut membership = Membership::default();
        membership.set_own_urls(urls(&["me:1"]), Vec::new());
        assert_eq!(membership.told(), urls(&[]));
        assert!(membership.add_urls(&urls(&["b:1"])));
        assert!(!membership.add_urls(&urls(&["b:1"])));
        assert_eq!(membership.told(), urls(&["me:1", "b:1"]));
        assert!(!membership.remove_urls(&urls(&["b:1"])));
        assert!(membership.remove_urls(&urls(&["b:1"])));
        assert!(!membership.remove_urls(&urls(&["b:1"])));
        assert_eq!(membership.told(), urls(&["me:1"]));
    }

    #[test]
    fn only_configured_servers_are_tried_again() {
        let mut membership = Membership::default();
        let target = |knowledge| Target { address: "b:1".into(), knowledge };
        membership.unreachable(target(Knowledge::Implicit));
        assert!(!membership.has_dials());
        membership.unreachable(target(Knowledge::Explicit));
        assert_eq!(membership.take_dials(), [Dial { target: target(Knowledge::Explicit), delay: RECONNECT }]);
    }

    #[test]
    fn a_duplicate_does_not_remove_the_first() {
        let mut membership = Membership::default();
        membership.add("B".into(), ClientKey(1));
        assert!(!membership.remove("B", ClientKey(2)));
        assert!(membership.remove("B", ClientKey(1)));
        assert_eq!(membership.len(), 0);
    }
}
