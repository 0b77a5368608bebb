//! Files, batches, jobs and small services, as far as the vendor's SDK calls them. Nothing is kept: each answer is a
//! plausible one for the request alone.

use super::Bad;
use crate::answer::{Answer, Call, now_s, upload};
use crate::brain;
use serde_json::{Value, json};

pub(super) fn compatible(call: &Call<'_>) -> Result<Answer, Bad> {
    let value = match (call.method, call.segments().as_slice()) {
        ("POST", ["files"]) => {
            let file = upload(call);
            let purpose = file.purpose.unwrap_or_default();
            if !["file-extract", "batch", "fine-tune"].contains(&purpose.as_str()) {
                return Err(Bad {
                    param: Some("purpose"),
                    ..Bad::parameter("'purpose' must be one of 'file-extract', 'batch', 'fine-tune'")
                });
            }
            let kind = if purpose == "batch" { "batch" } else { "fe" };
            described(&format!("file-{kind}-{}", call.ids.hex(24)), file.bytes.len(), &file.name, &purpose)
        }
        ("GET", ["files"]) => {
            json!({"object": "list", "data": [described("file-fe-d5c0ea9110bd47afb0505f43", 1314, "file1.txt", "file-extract")], "has_more": false})
        }
        ("GET", ["files", id]) => described(id, 1314, "file1.txt", "file-extract"),
        ("GET", ["files", _, "content"]) => {
            return Ok(Answer::bytes("application/octet-stream", "{\"custom_id\":\"1\"}\n"));
        }
        ("DELETE", ["files", id]) => json!({"id": id, "object": "file", "deleted": true}),
        ("POST", ["batches"]) => {
            batch(&format!("batch_{}", call.ids.uuid()), "validating", &call.object().unwrap_or_default())
        }
        // With nothing to list, `data` is null and not a list (recorded, 2026).
        ("GET", ["batches"]) => {
            json!({"object": "list", "data": null, "first_id": null, "last_id": null, "has_more": false})
        }
        ("GET", ["batches", id]) => batch(id, "completed", &json!({})),
        ("POST", ["batches", id, "cancel"]) => batch(id, "cancelling", &json!({})),
        _ => return Err(Bad { status: 404, code: "not_found", ..Bad::parameter(format!("Not found: {}", call.path)) }),
    };
    Ok(Answer::json(200, value))
}

fn described(id: &str, bytes: usize, name: &str, purpose: &str) -> Value {
    json!({"id": id, "object": "file", "bytes": bytes, "filename": name, "purpose": purpose, "status": "processed", "created_at": now_s()})
}

fn batch(id: &str, status: &str, request: &Value) -> Value {
    let done = status == "completed";
    json!({
        "id": id, "object": "batch", "endpoint": request.get("endpoint").cloned().unwrap_or_else(|| json!("/v1/chat/completions")), "errors": null,
        "input_file_id": request.get("input_file_id").cloned().unwrap_or_else(|| json!("file-batch-c015426ce301481bb13c76b4")),
        "completion_window": "24h", "status": status,
        "output_file_id": if done { json!("file-batch_output-c5f57bf1fbc749cdae9676ba") } else { Value::Null }, "error_file_id": null,
        "created_at": now_s(), "in_progress_at": null, "expires_at": null, "finalizing_at": null,
        "completed_at": if done { json!(now_s()) } else { Value::Null }, "failed_at": null, "expired_at": null,
        "cancelling_at": null, "cancelled_at": null, "request_counts": {"total": 2 * u8::from(done), "completed": 2 * u8::from(done), "failed": 0},
        "metadata": request.get("metadata").cloned().unwrap_or_default()
    })
}

pub(super) fn native(call: &Call<'_>) -> Result<Answer, Bad> {
    let id = call.ids.uuid();
    let body = call.object().unwrap_or_else(|| json!({}));
    let waits = call.header("x-dashscope-async") == Some("enable");
    let value = match (call.method, call.segments().as_slice()) {
        ("POST", ["tokenizer"]) => tokenizer(&body),
        ("POST", ["services", "rerank", "text-rerank", "text-rerank"]) => rerank(&body),
        (
            "POST",
            ["services", "aigc", "text2image", "image-synthesis"] | ["services", "audio", "asr", "transcription"],
        ) => {
            if !waits {
                return Err(Bad {
                    status: 403,
                    native: "AccessDenied",
                    ..Bad::parameter("current user api does not support synchronous calls.")
                });
            }
            json!({"output": {"task_status": "PENDING", "task_id": call.ids.uuid()}})
        }
        ("GET", ["tasks", task]) => json!({
            "output": {"task_id": task, "task_status": "SUCCEEDED", "submit_time": "2026-11-24 08:00:00.000", "scheduled_time": "2026-11-24 08:00:00.010",
                "end_time": "2026-11-24 08:00:01.000", "results": [{"url": format!("https://dashscope-result.example.com/{task}.png")}],
                "task_metrics": {"TOTAL": 1, "SUCCEEDED": 1, "FAILED": 0}},
            "usage": {"image_count": 1}
        }),
        ("POST", ["files"]) => {
            let file = upload(call);
            json!({"data": {"uploaded_files": [{"file_id": call.ids.uuid(), "name": file.name}], "failed_uploads": []}})
        }
        ("GET", ["files"]) => {
            json!({"data": {"total": 1, "page_no": 1, "page_size": 10, "files": [listed("018f2c5e-7d3a")]}})
        }
        ("GET", ["files", file]) => json!({"data": listed(file)}),
        ("POST", ["tasks", _, "cancel"]) | ("DELETE", ["files" | "fine-tunes" | "deployments", _]) => json!({}),
        ("POST", ["fine-tunes"]) => json!({"output": job(&format!("ft-{}", call.ids.hex(12)), "PENDING", &body)}),
        ("GET", ["fine-tunes"]) => json!({"output": {"page_no": 1, "page_size": 10, "total": 0, "jobs": []}}),
        ("GET", ["fine-tunes", name]) => json!({"output": job(name, "RUNNING", &body)}),
        ("POST", ["fine-tunes", _, "cancel"]) => json!({"output": {"status": "success"}}),
        ("POST", ["deployments"]) => {
            json!({"output": {"deployed_model": format!("sandbox-{}", call.ids.hex(8)), "status": "PENDING"}})
        }
        ("GET", ["models"]) => {
            json!({"output": {"models": [{"model_name": "qwen-plus"}, {"model_name": "qwen3.8-max"}], "page_no": 1, "page_size": 10, "total": 2}})
        }
        _ => return Err(Bad { status: 404, native: "InvalidURL", ..Bad::parameter("url error, please check url！") }),
    };
    let mut value = value;
    value["request_id"] = json!(id);
    Ok(Answer::json(200, value).with("x-request-id", id))
}

fn listed(id: &str) -> Value {
    json!({"file_id": id, "name": "train.jsonl", "description": "", "size": 80, "md5": "0", "gmt_create": "2026-11-24 08:00:00", "url": ""})
}

fn job(id: &str, status: &str, request: &Value) -> Value {
    json!({
        "job_id": id, "status": status, "model": request.get("model").cloned().unwrap_or_else(|| json!("qwen3-8b")), "create_time": "2026-11-24 08:00:00",
        "training_file_ids": request.get("training_file_ids").cloned().unwrap_or_else(|| json!([])),
        "validation_file_ids": request.get("validation_file_ids").cloned().unwrap_or_else(|| json!([])),
        "hyper_parameters": request.get("hyper_parameters").cloned().unwrap_or_else(|| json!({})),
        "training_type": request.get("training_type").cloned().unwrap_or_else(|| json!("sft")), "finetuned_output": null
    })
}

fn tokenizer(body: &Value) -> Value {
    let text = body
        .pointer("/input/messages/0/content")
        .or_else(|| body.pointer("/input/prompt"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let tokens = brain::split(text);
    let ids: Vec<u64> = tokens.iter().map(|token| crate::answer::hash(token) % 150_000).collect();
    json!({"output": {"token_ids": ids, "tokens": tokens}, "usage": {"input_tokens": ids.len()}})
}

fn rerank(body: &Value) -> Value {
    let documents = body.pointer("/input/documents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let top = body.pointer("/parameters/top_n").and_then(Value::as_u64).unwrap_or(documents.len() as u64) as usize;
    let results: Vec<Value> = (0..documents.len().min(top))
        .map(|at| json!({"index": at, "relevance_score": 0.9 / (at + 1) as f64}))
        .collect();
    json!({"output": {"results": results}, "usage": {"total_tokens": documents.len() * 4}})
}
