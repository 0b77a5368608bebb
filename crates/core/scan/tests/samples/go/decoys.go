package decoys

// import "github.com/openai/openai-go"

import "example.com/shop/store"

type completions struct{}

func (c completions) New(x any, p any) {}

type chat struct{ Completions completions }

type client struct{ Chat chat }

const text = `client := openai.NewClient()
client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{})
http.NewRequest("POST", "https://api.openai.com/v1/chat/completions", nil)`

func run(s *store.Store) {
	c := client{}
	c.Chat.Completions.New(nil, struct{ Model string }{Model: "gpt-4o"})
	s.Chat.Completions.New(nil, nil)
	s.CreateEmbeddings("openai")
	println(text, "https://api.openai.com is down")
}
