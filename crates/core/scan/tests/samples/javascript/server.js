// const client = new OpenAI(); client.chat.completions.create({ model: "gpt-4o" })
import OpenAI, { toFile } from "openai";
import express from "express";

const MODEL = "gpt-4o-mini";
const openai = new OpenAI({ apiKey: process.env.OPENAI_API_KEY, baseURL: process.env.LLM_URL ?? "https://api.openai.com/v1" }); // find: client
const app = express();

app.post("/v1/chat/completions", async (req, res) => {
  const stream = await openai.chat.completions.create({ // find: call
    model: MODEL,
    messages: req.body.messages,
    stream: true,
    temperature: 0.3,
  });
  for await (const chunk of stream) res.write(JSON.stringify(chunk));
});

app.post("/embed", async (req, res) => {
  const options = { input: req.body.texts, model: "text-embedding-3-small", encoding_format: "float" };
  const { data } = await openai.embeddings.create(options, { timeout: 5000 }); // find: call
  res.json(data);
});

app.post("/speak", async (req, res) => {
  const file = await toFile(req, "audio.mp3");
  const text = await openai.audio.transcriptions.create({ file, model: "whisper-1" }); // find: call
  const reply = await openai.responses.create({ ...req.body, model: "gpt-4.1", input: text.text }); // find: call
  res.json(reply);
});

/* openai.images.generate({ prompt: "x" }) */
const help = `call openai.images.generate({ prompt: "x" }) at https://api.openai.com/v1/images`;

export const draw = (prompt) => openai.images.generate({ model: "dall-e-3", prompt, n: 1 }); // find: call
