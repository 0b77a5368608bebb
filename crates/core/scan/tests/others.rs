//! Files in languages whose syntax is not read, notebooks, and the ways to import a module of Node.

use banjia_scan::{Kind, ScanRules, State, find};

/// The findings of a file: line, kind, and the name or endpoint.
fn found(path: &str, text: &str) -> Vec<(u32, Kind, String)> {
    let scan = find(path, text.as_bytes(), ScanRules::embedded());
    let name = |finding: &banjia_scan::Finding| {
        let name = finding.name.clone().or_else(|| finding.endpoint.clone());
        name.or_else(|| finding.sdk.clone()).unwrap_or_default()
    };
    scan.findings.iter().map(|finding| (finding.line, finding.kind, name(finding))).collect()
}

fn host(line: u32, name: &str) -> (u32, Kind, String) {
    (line, Kind::Host, name.to_owned())
}

fn variable(line: u32, name: &str) -> (u32, Kind, String) {
    (line, Kind::Environment, name.to_owned())
}

#[test]
fn hosts_and_variables_are_found_in_every_language() {
    for (path, text) in [
        ("a.php", "<?php\n$k = getenv('OPENAI_API_KEY');\ncurl_init('https://api.openai.com/v1/chat/completions');\n"),
        (
            "A.cs",
            "// x\nvar k = Environment.GetEnvironmentVariable(\"OPENAI_API_KEY\");\nnew Uri(\"https://api.openai.com/v1\");\n",
        ),
        (
            "a.rs",
            "// x\nlet k = std::env::var(\"OPENAI_API_KEY\")?;\nclient.post(\"https://api.openai.com/v1/embeddings\");\n",
        ),
        ("a.rb", "# x\nkey = ENV[\"OPENAI_API_KEY\"]\nURI('https://api.openai.com/v1/models')\n"),
        ("a.sh", "#!/bin/sh\nk=$OPENAI_API_KEY\ncurl -s https://api.openai.com/v1/models\n"),
        ("a.kt", "// x\nval k = System.getenv(\"OPENAI_API_KEY\")\nval u = \"https://api.openai.com/v1\"\n"),
        ("Makefile", "# x\ntest: $(OPENAI_API_KEY)\n\tcurl https://api.openai.com/v1/models\n"),
    ] {
        assert_eq!(found(path, text), [variable(2, "OPENAI_API_KEY"), host(3, "api.openai.com")], "{path}");
    }
}

#[test]
fn hosts_are_found_in_settings() {
    let yaml = "llm:\n  endpoint: https://api.openai.com/v1\n  other: dashscope.aliyuncs.com\n# https://api.z.ai\n";
    assert_eq!(found("a.yaml", yaml), [host(2, "api.openai.com"), host(3, "dashscope.aliyuncs.com")]);
    let json = "{\n  \"base\": \"https://open.bigmodel.cn/api/paas/v4\"\n}\n";
    assert_eq!(found("a.json", json), [host(2, "open.bigmodel.cn")]);
    // What a variable holds is said with the variable.
    assert_eq!(found(".env", "OPENAI_BASE_URL=https://api.openai.com/v1\n"), [variable(1, "OPENAI_BASE_URL")]);
}

#[test]
fn a_host_is_reported_once_a_line() {
    let text = "curl https://api.openai.com/v1/a https://api.openai.com/v1/b https://api.deepseek.com\n";
    assert_eq!(found("a.sh", text), [host(1, "api.openai.com"), host(1, "api.deepseek.com")]);
}

#[test]
fn prose_and_comments_hold_no_hosts() {
    assert_eq!(found("README.md", "Ask https://api.openai.com/v1 with OPENAI_API_KEY.\n"), []);
    assert_eq!(found("a.rs", "  // https://api.openai.com/v1\n"), []);
    assert_eq!(found("a.rb", "# OPENAI_API_KEY\n"), []);
}

#[test]
fn a_notebook_is_read_cell_by_cell() {
    let text = r#"{
 "cells": [
  {"cell_type": "markdown", "source": ["openai.embeddings.create(model='no')\n"]},
  {"cell_type": "code", "source": [
    "%pip install openai\n",
    "from openai import OpenAI\n",
    "client = OpenAI()"
  ]},
  {"cell_type": "code", "source": [
    "answer = client.chat.completions.create(\n",
    "    model=\"gpt-4o\", messages=[])\n"
  ]}
 ],
 "metadata": {"kernelspec": {"language": "python"}}
}"#;
    let scan = find("a.ipynb", text.as_bytes(), ScanRules::embedded());
    assert_eq!(scan.state, State::Text);
    let calls: Vec<_> = scan.findings.iter().map(|one| (one.line, one.kind, one.model.as_deref())).collect();
    assert_eq!(calls, [(7, Kind::Client, None), (10, Kind::Call, Some("gpt-4o"))]);
}

#[test]
fn a_broken_notebook_is_read_as_text() {
    assert_eq!(found("a.ipynb", "{\"cells\": [\n\"https://api.openai.com/v1\"\n"), [host(2, "api.openai.com")]);
}

#[test]
fn modules_are_required_in_every_way() {
    for (path, import, make) in [
        ("a.js", "const OpenAI = require(\"openai\");", "new OpenAI()"),
        ("a.js", "const openai = require('openai');", "new openai.OpenAI()"),
        ("a.js", "const { OpenAI } = require('openai');", "new OpenAI()"),
        ("a.js", "const { OpenAI: Client } = require('openai');", "new Client()"),
        ("a.js", "const OpenAI = require('openai').default;", "new OpenAI()"),
        ("a.js", "const OpenAI = require('openai').OpenAI;", "new OpenAI()"),
        ("a.js", "let OpenAI;\nOpenAI = require('openai');", "new OpenAI()"),
        ("a.js", "", "new (require('openai'))()"),
        ("a.js", "const { OpenAI } = await import('openai');", "new OpenAI()"),
        ("a.js", "const { default: OpenAI } = await import('openai');", "new OpenAI()"),
        ("a.mjs", "import * as OpenAI from 'openai';", "new OpenAI.OpenAI()"),
        ("a.ts", "import OpenAI = require('openai');", "new OpenAI()"),
    ] {
        let text =
            format!("{import}\nconst client = {make};\nclient.embeddings.create({{ model: 'm', input: 'x' }});\n");
        let kinds: Vec<_> = found(path, &text).into_iter().map(|(_, kind, name)| (kind, name)).collect();
        let wanted = [(Kind::Client, "openai-node".to_owned()), (Kind::Call, "embeddings".to_owned())];
        assert_eq!(kinds, wanted, "{import}");
    }
}

#[test]
fn classes_of_langchain_community_are_clients() {
    for (import, make, endpoint) in [
        ("from langchain_community.chat_models import ChatOpenAI", "ChatOpenAI(model='m')", "chat/completions"),
        ("from langchain_community.chat_models.openai import ChatOpenAI", "ChatOpenAI()", "chat/completions"),
        ("from langchain_community.embeddings.openai import OpenAIEmbeddings", "OpenAIEmbeddings()", "embeddings"),
        ("from langchain_community.llms import OpenAI", "OpenAI()", "completions"),
        ("from langchain_community.chat_models.tongyi import ChatTongyi", "ChatTongyi()", "chat/completions"),
        ("from langchain_community.chat_models import ChatZhipuAI", "ChatZhipuAI()", "chat/completions"),
        ("from langchain_community.embeddings import DashScopeEmbeddings", "DashScopeEmbeddings()", "embeddings"),
        ("import langchain_community.chat_models as m", "m.ChatOpenAI()", "chat/completions"),
        ("from langchain_community import chat_models", "chat_models.ChatOpenAI()", "chat/completions"),
    ] {
        let found = found("a.py", &format!("{import}\nmodel = {make}\n"));
        assert_eq!(found, [(2, Kind::Client, endpoint.to_owned())], "{import}");
    }
}
