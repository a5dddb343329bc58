// Command ferretdb-login HOST:PORT [USER DATABASE] tells whether a server of the MongoDB protocol answers a ping and, with a
// user, whether it lets the user in, by SCRAM-SHA-256 against that database, with the password that stdin says: 0, else 1
// with the reason.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/FerretDB/wire/wireclient"
)

const patience = 5 * time.Second

func main() {
	if err := login(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func login() error {
	if len(os.Args) != 2 && len(os.Args) != 4 {
		return fmt.Errorf("usage: ferretdb-login HOST:PORT [USER DATABASE]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	connection, err := wireclient.Connect(ctx, "mongodb://"+os.Args[1]+"/", slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.Ping(ctx); err != nil || len(os.Args) == 2 {
		return err
	}
	password, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	return connection.Login(ctx, os.Args[2], strings.TrimRight(string(password), "\n"), os.Args[3])
}
