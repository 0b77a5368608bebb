import { createOpenAI, openai } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, streamText } from "ai";

const provider = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY }); // find: client
const local = createOpenAICompatible({ name: "local", baseURL: "http://localhost:8080/v1" }); // find: client

export async function run(prompt: string) {
  const { text } = await generateText({ model: openai("gpt-4o"), prompt }); // find: call
  const result = streamText({ model: provider.chat("gpt-4o-mini"), prompt: `say ${text}` }); // find: call
  const { embedding } = await embed({ model: openai.embedding("text-embedding-3-small"), value: prompt }); // find: call
  await generateText({ model: local("qwen3"), prompt }); // find: call
  await generateText({ model: provider.responses(process.env.MODEL!), prompt }); // find: call
  return { result, embedding };
}
