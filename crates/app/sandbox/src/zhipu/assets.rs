//! Files, batches, fine-tuning, pictures, speech and moderation, as the vendor's SDKs call them. Nothing is kept.

use super::Bad;
use crate::answer::{Answer, Call, now_s, upload};
use serde_json::{Value, json};

pub(super) fn serve(call: &Call<'_>) -> Result<Answer, Bad> {
    let segments = call.segments();
    let body = call.object().unwrap_or_else(|| json!({}));
    let value = match (call.method, segments.as_slice()) {
        (_, ["files", ..]) => return files(call, &segments),
        (_, ["batches", ..]) => batches(call, &segments, &body)?,
        (_, ["fine_tuning", "jobs", ..]) => jobs(call, &segments, &body)?,
        ("POST", ["images", "generations"]) => {
            json!({"created": now_s(), "data": [{"url": "https://sfile.example.com/sandbox.png"}], "content_filter": [{"role": "assistant", "level": 3}]})
        }
        ("POST", ["async", "images", "generations"] | ["async", "chat", "completions"] | ["videos", "generations"]) => {
            json!({"id": call.ids.hex(24), "request_id": call.ids.hex(24), "model": body["model"], "task_status": "PROCESSING"})
        }
        ("GET", ["async-result", id]) => {
            json!({"id": id, "request_id": id, "model": "glm-4.7", "task_status": "PROCESSING"})
        }
        ("POST", ["audio", "transcriptions"]) => {
            json!({"id": call.ids.hex(24), "created": now_s(), "model": "glm-asr-2512", "text": "你好，沙箱。", "request_id": call.ids.hex(24)})
        }
        ("POST", ["audio", "speech"]) => return Ok(Answer::bytes("audio/wav", silence())),
        ("POST", ["moderations"]) => json!({
            "id": call.ids.hex(24), "created": now_s(), "request_id": call.ids.hex(24), "model": "moderation",
            "result_list": [{"content_type": "text", "risk_level": "PASS", "risk_type": []}], "results": [],
            "usage": {"moderation_text": {"call_count": 1}}
        }),
        ("POST", ["tools" | "web_search"]) => {
            json!({"id": call.ids.hex(24), "created": now_s(), "request_id": call.ids.hex(24), "search_intent": [], "search_result": []})
        }
        _ => return Err(Bad(400, "1212", "当前模型不支持该调用方式。".into())),
    };
    Ok(Answer::json(200, value))
}

fn file(id: &str, bytes: usize, name: &str, purpose: &str) -> Value {
    json!({"id": id, "object": "file", "bytes": bytes, "created_at": now_s(), "filename": name, "purpose": purpose, "status": "processed"})
}

fn files(call: &Call<'_>, segments: &[&str]) -> Result<Answer, Bad> {
    let value = match (call.method, segments) {
        ("POST", ["files"]) => {
            let sent = upload(call);
            let purpose = sent.purpose.ok_or_else(|| Bad(400, "1213", "未正常接收到purpose参数。".into()))?;
            file(&format!("file-{}", call.ids.hex(24)), sent.bytes.len(), &sent.name, &purpose)
        }
        ("GET", ["files"]) => {
            let purpose = call.query_value("purpose").unwrap_or_else(|| "batch".to_owned());
            json!({"object": "list", "data": [file("file-sandbox", 8, "in.jsonl", &purpose)], "has_more": false})
        }
        ("GET", ["files", _, "content"]) => {
            return Ok(Answer::bytes(
                "application/octet-stream",
                "{\"custom_id\":\"a\",\"response\":{\"status_code\":200}}\n",
            ));
        }
        ("GET", ["files", id]) => file(id, 8, "in.jsonl", "batch"),
        ("DELETE", ["files", id]) => json!({"id": id, "object": "file", "deleted": true}),
        _ => return Err(Bad(400, "1212", "当前模型不支持该调用方式。".into())),
    };
    Ok(Answer::json(200, value))
}

fn batch(id: &str, status: &str, request: &Value) -> Value {
    let done = status == "completed";
    json!({
        "id": id, "object": "batch", "endpoint": request.get("endpoint").cloned().unwrap_or_else(|| json!("/v4/chat/completions")),
        "input_file_id": request.get("input_file_id").cloned().unwrap_or_else(|| json!("file-sandbox")), "completion_window": "24h", "status": status,
        "output_file_id": if done { json!("file-out") } else { Value::Null }, "error_file_id": null, "created_at": now_s(),
        "request_counts": {"total": 1, "completed": u8::from(done), "failed": 0}, "metadata": request.get("metadata").cloned().unwrap_or_else(|| json!({}))
    })
}

fn batches(call: &Call<'_>, segments: &[&str], body: &Value) -> Result<Value, Bad> {
    Ok(match (call.method, segments) {
        ("POST", ["batches"]) => {
            if body.get("input_file_id").is_none() {
                return Err(Bad(400, "1213", "未正常接收到input_file_id参数。".into()));
            }
            batch(&format!("batch_{}", call.ids.number()), "validating", body)
        }
        ("GET", ["batches"]) => {
            json!({"object": "list", "data": [batch("batch_1", "completed", body)], "has_more": false, "first_id": "batch_1", "last_id": "batch_1"})
        }
        ("GET", ["batches", id]) => batch(id, "completed", body),
        ("POST", ["batches", id, "cancel"]) => batch(id, "cancelling", body),
        _ => return Err(Bad(400, "1212", "当前模型不支持该调用方式。".into())),
    })
}

/// Base models that can be tuned (probe of 2026-09-25), and the older one that the SDK's example names.
const TUNABLE: [&str; 5] = ["glm-4-flash", "glm-4.5-air", "glm-4-air-250414", "glm-4-air-x", "chatglm3-6b"];

fn jobs(call: &Call<'_>, segments: &[&str], body: &Value) -> Result<Value, Bad> {
    let job = |id: &str, status: &str| {
        json!({
            "id": id, "request_id": call.ids.hex(24), "object": "fine_tuning.job", "created_at": now_s(), "status": status, "fine_tuned_model": null,
            "model": body.get("model").cloned().unwrap_or_else(|| json!("glm-4-flash")),
            "training_file": body.get("training_file").cloned().unwrap_or_else(|| json!("file-sandbox")),
            "validation_file": body.get("validation_file").cloned().unwrap_or_default(), "result_files": [], "trained_tokens": null,
            "organization_id": "", "hyperparameters": body.get("hyperparameters").cloned().unwrap_or_else(|| json!({"n_epochs": 3}))
        })
    };
    Ok(match (call.method, segments) {
        ("POST", ["fine_tuning", "jobs"]) => {
            // The model is checked before the file.
            if !body.get("model").and_then(Value::as_str).is_some_and(|model| TUNABLE.contains(&model)) {
                return Err(Bad(404, "1222", "微调模型不存在。".into()));
            }
            job(&format!("ftjob-{}", call.ids.hex(16)), "validating_files")
        }
        ("GET", ["fine_tuning", "jobs"]) => {
            json!({"object": "list", "data": [job("ftjob-1", "running")], "has_more": false})
        }
        ("GET", ["fine_tuning", "jobs", id]) => job(id, "running"),
        ("POST", ["fine_tuning", "jobs", id, "cancel"]) | ("DELETE", ["fine_tuning", "jobs", id]) => {
            job(id, "cancelled")
        }
        ("GET", ["fine_tuning", "jobs", _, "events"]) => json!({
            "object": "list", "has_more": false,
            "data": [{"id": "ev1", "object": "fine_tuning.job.event", "created_at": now_s(), "level": "info", "message": "queued", "type": "message", "data": {}}]
        }),
        _ => return Err(Bad(400, "1212", "当前模型不支持该调用方式。".into())),
    })
}

/// A tenth of a second of nothing: 8 kHz, 8 bit, one channel.
fn silence() -> Vec<u8> {
    const SAMPLES: u32 = 800;
    let mut wav = Vec::with_capacity(844);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + SAMPLES).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data");
    wav.extend_from_slice(&SAMPLES.to_le_bytes());
    wav.resize(844, 0x80);
    wav
}
