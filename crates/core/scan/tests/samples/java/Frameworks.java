package com.example;

import com.theokanning.openai.completion.chat.ChatCompletionRequest;
import com.theokanning.openai.service.OpenAiService;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiEmbeddingModel;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import okhttp3.Request;
import org.springframework.ai.openai.OpenAiChatOptions;
import org.springframework.beans.factory.annotation.Value;

class Frameworks {
    @Value("${spring.ai.openai.api-key}")
    private String springKey;

    OpenAiChatModel model() {
        return OpenAiChatModel.builder() // find: client
            .baseUrl("https://api.openai.com/v1")
            .apiKey(System.getenv("OPENAI_API_KEY"))
            .modelName("gpt-4o-mini")
            .temperature(0.3)
            .build();
    }

    Object embeddings() {
        return OpenAiEmbeddingModel.builder().apiKey(springKey).modelName("text-embedding-3-small").build(); // find: client
    }

    Object options() {
        return OpenAiChatOptions.builder().model("gpt-4o").temperature(0.4).build(); // find: client
    }

    Object old(String token) {
        OpenAiService service = new OpenAiService(token); // find: client
        ChatCompletionRequest request = ChatCompletionRequest.builder().model("gpt-3.5-turbo").messages(null).n(1).build();
        return service.createChatCompletion(request); // find: call
    }

    Object raw(String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("https://api.openai.com/v1/chat/completions")) // find: http
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
        Request other = new Request.Builder().url("https://dashscope.aliyuncs.com/compatible-mode/v1/embeddings").build(); // find: http
        // HttpRequest.newBuilder(URI.create("https://api.openai.com/v1/models"))
        String log = "POST https://api.openai.com/v1/chat/completions failed";
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    }
}
