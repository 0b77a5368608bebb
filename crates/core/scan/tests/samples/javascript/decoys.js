// The openai package is not used here.
import { Store } from "./store.js";

const sample = 'import OpenAI from "openai"; new OpenAI().chat.completions.create({ model: "gpt-4o" })';
const page = `<pre>fetch("https://api.openai.com/v1/chat/completions")</pre>`;

const services = {
  chat: { completions: { create: (options) => options } },
  embeddings: { create() {} },
};

services.chat.completions.create({ model: "gpt-4o", messages: [] });
services.embeddings.create({ model: "x", input: "y" });

class OpenAI {
  files = { create: () => 1 };
}
const mine = new OpenAI();
mine.files.create({ purpose: "x" });

const store = new Store();
store.completions.create({ id: 1 });
store.chat.completions.create({ room: 7, text: "hi" });
fetch("https://example.com/openai/v1/models");
console.log(sample, page, /client\.chat\.completions\.create\(/);
