import { useState } from "react";
import { Agent, run } from "@openai/agents"; // find: side-channel
import { OpenAI as Llama, OpenAIEmbedding } from "@llamaindex/openai";

const agent = new Agent({ name: "Guide", instructions: "Guide people.", model: "gpt-4.1" }); // find: client
const llama = new Llama({ model: "gpt-4o", temperature: 0 }); // find: client
const vectors = new OpenAIEmbedding({ model: "text-embedding-3-small" }); // find: client

export default function Page(props: { text: string }) {
  const [answer, setAnswer] = useState<string>("");
  const go = async () => setAnswer((await run(agent, props.text)).finalOutput ?? "");
  return (
    <div onClick={go} data-url="https://api.openai.com">
      {/* new OpenAI() */}
      Ask api.openai.com: {answer}
    </div>
  );
}
