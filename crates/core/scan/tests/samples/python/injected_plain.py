"""No import tells what llm is; the call itself is unmistakable."""


async def summarise(llm, text: str, model: str):
    reply = await llm.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])  # find: call
    await llm.embeddings.create(input=text)
    return reply
