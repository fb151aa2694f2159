//! Temporary.
use squall_sim::servers::redis::{RedisServer, ServerConfig};
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:17077").await?;
    RedisServer::new(ServerConfig::default(), 42).serve(listener).await
}
