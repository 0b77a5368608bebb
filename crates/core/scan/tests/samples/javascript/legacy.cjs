const { Configuration, OpenAIApi } = require("openai");
const axios = require("axios");

const configuration = new Configuration({ apiKey: process.env.OPENAI_API_KEY }); // find: environment
const api = new OpenAIApi(configuration); // find: client

async function ask(prompt) {
  const reply = await api.createChatCompletion({ // find: call
    model: "gpt-3.5-turbo",
    messages: [{ role: "user", content: prompt }],
  });
  const vector = await api.createEmbedding({ model: "text-embedding-ada-002", input: prompt }); // find: call
  return [reply.data, vector.data];
}

async function raw(prompt) {
  const url = "https://api.openai.com/v1/completions"; // find: host
  await axios.post(url, { model: "gpt-3.5-turbo-instruct", prompt, max_tokens: 10 }); // find: http
  await axios({ method: "post", url: `${process.env.LLM_BASE}/v1/chat/completions`, data: { model: process.env.MODEL, messages: [] } }); // find: http
  const http = axios.create({ baseURL: "https://api.moonshot.cn/v1" }); // find: host
  return fetch("https://api.openai.com/v1/chat/completions", { // find: http
    method: "POST",
    headers: { Authorization: "Bearer " + process.env.OPENAI_API_KEY }, // find: environment
    body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: prompt }], stream: true }),
  });
}

module.exports = { ask, raw };
