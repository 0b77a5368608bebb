//! Keeps a sandbox up for programs in other languages: `cargo run -p banjia-sandbox --example vendors -- 127.0.0.1:4600`.

use banjia_sandbox::{Options, Sandbox};
use std::io::Write as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bind = std::env::args().nth(1).map_or(Ok(Options::default().bind), |text| text.parse())?;
    let sandbox = Sandbox::start(Options { bind, ..Options::default() }).await?;
    writeln!(std::io::stdout(), "http://{}", sandbox.addr)?;
    std::future::pending::<()>().await;
    Ok(())
}
