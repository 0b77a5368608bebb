package com.example.answers;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.models.ChatModel;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.embeddings.EmbeddingCreateParams;
import com.openai.models.embeddings.EmbeddingModel;
import java.util.List;

/** Not a call: client.chat().completions().create(params). */
public final class Answers {
    private static final String MODEL = "gpt-4o-mini";
    private final OpenAIClient client;
    private final OpenAIClient other = OpenAIOkHttpClient.fromEnv(); // find: client

    public Answers(String url) {
        this.client = OpenAIOkHttpClient.builder() // find: client
            .apiKey(System.getenv("OPENAI_API_KEY"))
            .baseUrl(url)
            .build();
    }

    String answer(String text) {
        // other.chat().completions().create(null);
        ChatCompletionCreateParams params = ChatCompletionCreateParams.builder()
            .addUserMessage(text)
            .model(ChatModel.GPT_4O)
            .temperature(0.2)
            .build();
        ChatCompletion reply = client.chat().completions().create(params); // find: call
        return reply.choices().get(0).message().content().orElse("client.chat().completions().create(x)");
    }

    void stream(ChatCompletionCreateParams params) {
        try (var stream = this.other.chat().completions().createStreaming(params)) { // find: call
            stream.stream().forEach(System.out::println);
        }
    }

    Object embed(List<String> texts) {
        return client.embeddings().create( // find: call
            EmbeddingCreateParams.builder().inputOfArrayOfStrings(texts).model(EmbeddingModel.TEXT_EMBEDDING_3_SMALL).build());
    }

    Object list() {
        Catalogue catalogue = new Catalogue();
        catalogue.models().list();
        return client.models().list(); // find: call
    }

    static final class Catalogue {
        Catalogue models() { return this; }
        List<String> list() { return List.of(MODEL); }
    }
}
