//go:build clients

package mail_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	ours "terrarium/internal/mail"
)

// receiver is a mail server of aiosmtpd, another implementation than ours, that
// prints its port and then the length of the one mail that it gets, and the mail.
const receiver = `
import socket, sys
from aiosmtpd.controller import Controller
class Handler:
    async def handle_DATA(self, server, session, envelope):
        print(len(envelope.content), flush=True)
        sys.stdout.buffer.write(envelope.content)
        sys.stdout.buffer.flush()
        return "250 taken"
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
c = Controller(Handler(), hostname="127.0.0.1", port=port)
c.start()
print(port, flush=True)
sys.stdin.read()
c.stop()
`

func TestAIOSMTPD(t *testing.T) {
	python := cmp.Or(os.Getenv("TERRARIUM_PYTHON"), "python3")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := exec.CommandContext(ctx, python, "-c", receiver)
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Wait(); err != nil {
			t.Errorf("the receiver: %v", err)
		}
	}()
	defer stdin.Close() // which ends it
	out := bufio.NewReader(stdout)
	var port, length int
	if _, err := fmt.Fscanln(out, &port); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	m, err := ours.Open(fmt.Sprintf("smtp://127.0.0.1:%d", port), ours.Options{
		From: "Terrarium <no-reply@terrarium.example>", Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(ctx, message); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(out, &length); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, length)
	if _, err := io.ReadFull(out, raw); err != nil {
		t.Fatal(err)
	}
	checkMessage(t, raw)
}
