// The official Node SDK and the Vercel AI SDK: base URL and key changed, nothing else.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { BANJIA_URL: baseURL, BANJIA_KEY: apiKey } = process.env;
const ask = [{ role: "user", content: "What does a reverse proxy do?" }];
const weather = { type: "function", function: { name: "get_weather", description: "Get the present weather of a city", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } };
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

for (const vendor of ["openai", "alibaba", "baidu", "zhipu"]) {
  const model = `via-${vendor}`;

  describe(`openai for Node through ${vendor}`, () => {
    test("a whole answer, and the same text as a stream", async () => {
      const answer = await client.chat.completions.create({ model, messages: ask });
      assert.equal(answer.choices[0].finish_reason, "stop");
      assert.ok(answer.usage.total_tokens > 0);
      let text = "";
      let usage;
      for await (const chunk of await client.chat.completions.create({ model, messages: ask, stream: true, stream_options: { include_usage: true } })) {
        text += chunk.choices[0]?.delta.content ?? "";
        usage = chunk.usage ?? usage;
      }
      assert.equal(text, answer.choices[0].message.content);
      assert.ok(usage.completion_tokens > 0);
    });

    test("the stream helper", async () => {
      const stream = client.chat.completions.stream({ model, messages: ask });
      const completion = await stream.finalChatCompletion();
      assert.ok(completion.choices[0].message.content);
    });

    test("parse with zod", async () => {
      const shape = z.object({ steps: z.array(z.object({ explanation: z.string(), output: z.string() })), final_answer: z.string() });
      const answer = await client.chat.completions.parse({ model, messages: [{ role: "user", content: "Solve 8x + 7 = -23" }], response_format: zodResponseFormat(shape, "reasoning") });
      assert.equal(typeof answer.choices[0].message.parsed.final_answer, "string");
    });

    test("a tool that zod describes", async () => {
      const tools = [zodFunction({ name: "get_weather", description: "Get the present weather of a city", parameters: z.object({ city: z.string() }) })];
      const answer = await client.chat.completions.parse({ model, messages: [{ role: "user", content: "What is the weather in Paris?" }], tools });
      assert.equal(answer.choices[0].message.tool_calls[0].function.parsed_arguments.city, "Paris");
    });

    test("runTools loops to the end", async () => {
      const runner = client.chat.completions.runTools({ model, messages: [{ role: "user", content: "What is the weather in Paris?" }], tools: [{ ...weather, function: { ...weather.function, parse: JSON.parse, function: ({ city }) => `sunny in ${city}` } }] });
      assert.match(await runner.finalContent(), /sunny/);
    });

    test("embeddings, decoded from base64 by the SDK", async () => {
      const answer = await client.embeddings.create({ model: `embed-${vendor}`, input: ["a", "b", "c"] });
      assert.deepEqual(answer.data.map((item) => item.index), [0, 1, 2]);
      assert.equal(typeof answer.data[0].embedding[0], "number");
    });

    test("errors are the SDK's own", async () => {
      await assert.rejects(new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 }).chat.completions.create({ model, messages: ask }), OpenAI.AuthenticationError);
      await assert.rejects(client.chat.completions.create({ model: "nobody", messages: ask }), OpenAI.NotFoundError);
    });
  });

  const providers = { "@ai-sdk/openai": createOpenAI({ baseURL, apiKey }).chat, "@ai-sdk/openai-compatible": createOpenAICompatible({ name: "banjia", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true }).chatModel };
  for (const [name, chat] of Object.entries(providers)) {
    describe(`AI SDK with ${name} through ${vendor}`, () => {
      const at = { model: chat(model), maxRetries: 0 };

      test("text, and the same text as a stream", async () => {
        const { text, usage } = await generateText({ ...at, messages: ask });
        assert.ok(text && usage.totalTokens > 0);
        const result = streamText({ ...at, messages: ask, onError: ({ error }) => { throw error; } });
        let streamed = "";
        for await (const part of result.textStream) streamed += part;
        assert.equal(streamed, text);
        assert.equal(await result.finishReason, "stop");
      });

      test("a tool loop", async () => {
        const tools = { get_weather: tool({ description: "Get the present weather of a city", inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` }) };
        const { text, steps } = await generateText({ ...at, prompt: "What is the weather in Paris?", tools, stopWhen: stepCountIs(3) });
        assert.deepEqual(steps[0].toolCalls.map((call) => call.input), [{ city: "Paris" }]);
        assert.match(text, /sunny/);
      });

      test("an object", async () => {
        const { output } = await generateText({ ...at, prompt: "Where is the Eiffel tower?", output: Output.object({ schema: z.object({ city: z.string(), floors: z.number() }) }) });
        assert.equal(typeof output.floors, "number");
      });
    });
  }

  test(`AI SDK embeddings through ${vendor}`, async () => {
    const { embeddings } = await embedMany({ model: createOpenAI({ baseURL, apiKey }).embedding(`embed-${vendor}`), values: ["a", "b"] });
    assert.equal(embeddings.length, 2);
  });
}
