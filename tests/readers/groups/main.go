// Asks a broker for a consumer group or a transaction, with franz-go or sarama, and prints the error that comes of it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

type nothing struct{}

func (nothing) Setup(sarama.ConsumerGroupSession) error                                   { return nil }
func (nothing) Cleanup(sarama.ConsumerGroupSession) error                                 { return nil }
func (nothing) ConsumeClaim(sarama.ConsumerGroupSession, sarama.ConsumerGroupClaim) error { return nil }

func franz(ctx context.Context, address, what string) error {
	if what == "transaction" {
		client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.TransactionalID("id"), kgo.DefaultProduceTopic("topic"))
		if err != nil {
			return err
		}
		return client.BeginTransaction()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumerGroup("group"), kgo.ConsumeTopics("topic"))
	if err != nil {
		return err
	}
	for _, failed := range client.PollFetches(ctx).Errors() {
		return failed.Err
	}
	return nil
}

func withSarama(ctx context.Context, address, what string) error {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	if what == "transaction" {
		config.Producer.Idempotent = true
		config.Producer.Return.Successes = true
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.Transaction.ID = "id"
		config.Net.MaxOpenRequests = 1
		_, err := sarama.NewSyncProducer([]string{address}, config)
		return err
	}
	group, err := sarama.NewConsumerGroup([]string{address}, "group", config)
	if err != nil {
		return err
	}
	return group.Consume(ctx, []string{"topic"}, nothing{})
}

func main() {
	library, what, address := os.Args[1], os.Args[2], os.Args[3]
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	try := franz
	if library == "sarama" {
		try = withSarama
	}
	err := try(ctx, address, what)
	if ctx.Err() != nil {
		fmt.Println("no answer within a minute")
		os.Exit(1)
	}
	fmt.Println("failed:", err)
}
