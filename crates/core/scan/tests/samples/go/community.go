package community

import (
	"context"
	"os"

	openai "github.com/sashabaranov/go-openai"
)

var shared = openai.NewClient(os.Getenv("OPENAI_API_KEY")) // find: client

type bot struct{ api *openai.Client }

func newBot() *bot {
	config := openai.DefaultConfig(os.Getenv("OPENAI_API_KEY"))
	config.BaseURL = os.Getenv("OPENAI_BASE_URL")
	return &bot{api: openai.NewClientWithConfig(config)} // find: client
}

func (b *bot) ask(ctx context.Context, text string) (string, error) {
	req := openai.ChatCompletionRequest{
		Model:    openai.GPT4oMini,
		Messages: []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, Content: text}},
		Stream:   false,
		N:        2,
	}
	resp, err := b.api.CreateChatCompletion(ctx, req) // find: call
	if err != nil {
		return "", err
	}
	return resp.Choices[0].Message.Content, nil
}

func embed(ctx context.Context) error {
	_, err := shared.CreateEmbeddings(ctx, openai.EmbeddingRequest{Input: []string{"x"}, Model: openai.SmallEmbedding3}) // find: call
	if err != nil {
		return err
	}
	_, err = shared.ListModels(ctx) // find: call
	return err
}

func key() string { return "sk-7Hn2QzXw9LrTb4VkMc8YsPd1Fj5GeUa3" } // find: key
