//! The words around the demo.

use super::Settings;
use super::stage::Stage;
use crate::demo::mix::ACCOUNTS;

/// What is about to happen.
pub(super) fn opening(stage: &Stage, settings: &Settings) -> String {
    let seconds = settings.length.as_secs();
    let destinations = stage.destinations.join(", ");
    format!(
        "A web shop with {accounts} applications calls {source} through Banjia, {rate} requests a second.\n\
         After {third:.0} of {seconds} seconds {source} stops serving this region, as on 9 July 2024. {destinations} take over.\n\
         Vendors are sandboxes on this machine: true wires and errors, made-up texts, no keys, no network.\n\
         Gateway: http://{addr}/v1   seed: {seed}\n",
        accounts = ACCOUNTS.len(),
        source = stage.source,
        rate = settings.rate,
        third = settings.length.as_secs_f64() / 3.0,
        addr = stage.running.handle.addr,
        seed = settings.seed,
    )
}

/// Lines that work while the demo stays up.
pub(super) fn try_it(stage: &Stage) -> String {
    let (addr, key) = (stage.running.handle.addr, stage.first_key());
    format!(
        "\nThe gateway stays up; {source} still refuses. Try it:\n\n\
         curl -s http://{addr}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n  \
           -d '{{\"model\":\"gpt-4o\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'\n\n\
         # pip install openai\n\
         from openai import OpenAI\n\
         client = OpenAI(base_url=\"http://{addr}/v1\", api_key=\"{key}\")\n\
         for chunk in client.chat.completions.create(model=\"gpt-4o\", stream=True,\n        \
                 messages=[{{\"role\": \"user\", \"content\": \"你好！\"}}]):\n    \
             print(chunk.choices[0].delta.content or \"\" if chunk.choices else \"\", end=\"\", flush=True)\n\n\
         Ctrl-C ends it.",
        source = stage.source,
    )
}
