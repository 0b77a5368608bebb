import OpenAI from "openai";
import type { ChatCompletionCreateParams } from "openai/resources/chat/completions";
import { Injectable } from "@nestjs/common";

enum Models {
  Small = "gpt-4o-mini",
  Large = "gpt-4o",
}

const MODELS = { embed: "text-embedding-3-small" } as const;

@Injectable()
export class AnswerService {
  private readonly client: OpenAI;
  #raw = new OpenAI({ apiKey: "none", dangerouslyAllowBrowser: true }); // find: client

  constructor(private readonly shared: OpenAI, private readonly config: Config) {
    this.client = new OpenAI({ baseURL: this.config.get<string>("llm.url"), apiKey: this.config.get("llm.key") }); // find: client
  }

  async answer(messages: ChatCompletionCreateParams["messages"]): Promise<string | null> {
    const reply = await this.client.chat.completions.create({ model: Models.Large, messages, tools: [], n: 1 }); // find: call
    return reply.choices[0]!.message.content;
  }

  async shape(messages: any[]) {
    const done = await this.shared.beta.chat.completions.parse({ // find: call
      model: Models.Small,
      messages,
      response_format: { type: "json_schema", json_schema: { name: "x", schema: {} } },
    });
    return done!.choices;
  }

  async embed(input: string[]) {
    return (await this.#raw!.embeddings.create({ model: MODELS.embed, input }))!.data; // find: call
  }

  private params(model: string): ChatCompletionCreateParams {
    return { model, messages: [] } as ChatCompletionCreateParams;
  }

  stream(model: string) {
    return this.shared.chat.completions.stream(this.params(model)); // find: call
  }
}

export const makeClient = (): OpenAI => new OpenAI(); // find: client

export async function jobs() {
  const job = await makeClient().fineTuning.jobs.create({ model: "gpt-4o-mini-2024-07-18", training_file: "file-1" }); // find: call
  return job as unknown;
}
