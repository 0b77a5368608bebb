import React from "react";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";

const llm = new ChatOpenAI({ model: "gpt-4o", temperature: 0, configuration: { baseURL: "https://api.openai.com/v1" } }); // find: client
const embeddings = new OpenAIEmbeddings({ modelName: "text-embedding-3-large" }); // find: client

export function Answer({ text }) {
  // new ChatOpenAI({ model: "x" })
  const ask = async () => llm.invoke(text);
  return <button onClick={ask} title="ChatOpenAI()">openai.chat.completions.create {"new OpenAI()"}</button>;
}
