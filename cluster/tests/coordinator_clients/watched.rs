//! An adapter whose events are read one by one.

use squall_cluster::config::NodeConfig;
use squall_cluster::coordinator::{self, Coordinator, Event, Listener};
use squall_cluster::entropy::NodeRng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Watched {
    pub(crate) coordinator: Arc<dyn Coordinator>,
    events: UnboundedReceiver<Event>,
}

struct Teller(UnboundedSender<Event>);

impl Listener for Teller {
    fn on_event(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

impl Watched {
    /// Starts the coordinator of a store section with these lines.
    pub(crate) fn start(section: &str) -> Self {
        let text = format!("[cluster]\ncoordinator = \"bus\"\n[store.bus]\n{section}\n");
        let config = NodeConfig::parse("node.toml", &text).expect("the section is valid");
        let (tell, events) = unbounded_channel();
        let coordinator = config.cluster.coordinator.expect("the section is named");
        let started = coordinator::start(&coordinator, Arc::new(Teller(tell)), NodeRng::from_seed(1));
        Self { coordinator: started.expect("the configuration works"), events }
    }

    pub(crate) async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("the adapter lives")
    }

    /// Waits for `wanted`; what came before it.
    pub(crate) async fn until(&mut self, wanted: &Event) -> Vec<Event> {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                event if event == *wanted => return before,
                event => before.push(event),
            }
        }
    }
}
