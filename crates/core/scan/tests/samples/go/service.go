// Package answer asks models. Not a call: client.Chat.Completions.New(ctx, params)
package answer

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

const model = "gpt-4o-mini"

// Service answers.
type Service struct {
	client openai.Client
	http   *http.Client
	base   string
}

// New makes a service.
func New() *Service {
	client := openai.NewClient( // find: client
		option.WithAPIKey(os.Getenv("OPENAI_API_KEY")),
		option.WithBaseURL("https://api.openai.com/v1/"),
	)
	return &Service{client: client, http: http.DefaultClient, base: os.Getenv("LLM_BASE")}
}

func (s *Service) Answer(ctx context.Context, text string) (string, error) {
	/* s.client.Chat.Completions.New(ctx, x) */
	reply, err := s.client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{ // find: call
		Model:       openai.ChatModelGPT4o,
		Messages:    []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)},
		Temperature: openai.Float(0.2),
		Seed:        openai.Int(1),
	})
	if err != nil {
		return "", fmt.Errorf("client.Chat.Completions.New: %w", err)
	}
	return reply.Choices[0].Message.Content, nil
}

func (s *Service) Stream(ctx context.Context, params openai.ChatCompletionNewParams) {
	stream := s.client.Chat.Completions.NewStreaming(ctx, params) // find: call
	for stream.Next() {
		fmt.Print(stream.Current())
	}
}

func (s *Service) Embed(ctx context.Context, texts []string) error {
	params := openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts}}
	_, err := s.client.Embeddings.New(ctx, params) // find: call
	return err
}

func (s *Service) Raw(ctx context.Context, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.openai.com/v1/chat/completions", strings.NewReader(body)) // find: http
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY")) // find: environment
	other, _ := http.NewRequest("POST", fmt.Sprintf("%s/v1/embeddings", s.base), nil) // find: http
	_, _ = s.http.Do(other)
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
