package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answerWithin bounds one request.
const answerWithin = 30 * time.Second

// dial opens the connections: of HTTP/1.1 one each, of HTTP/2 one for as many
// streams as there are to be.
func dial(opt options) ([]conn, error) {
	u, err := url.Parse(opt.url)
	if err != nil {
		return nil, err
	}
	var conns []conn
	for range opt.connections {
		if opt.streams > 1 {
			s := newStreams(opt)
			for range opt.streams {
				conns = append(conns, s)
			}
			continue
		}
		p, err := newPlain(u, opt)
		if err != nil {
			return nil, err
		}
		conns = append(conns, p)
	}
	return conns, nil
}

// plain is a connection of HTTP/1.1. It reads what it needs of an answer and no
// more, since it shares the machine with the server.
type plain struct {
	c    net.Conn
	r    *bufio.Reader
	tail string // of every request
	buf  []byte
}

func newPlain(u *url.URL, opt options) (*plain, error) {
	d := net.Dialer{Timeout: answerWithin}
	var c net.Conn
	c, err := d.DialContext(context.Background(), "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) //nolint:gosec // a server of this machine under test
	}
	tail := " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: load/1.0\r\nAccept: */*\r\n"
	if opt.header != "" {
		tail += opt.header + "\r\n"
	}
	return &plain{c: c, r: bufio.NewReaderSize(c, 64<<10), tail: tail}, nil
}

func (p *plain) get(path, etag string) (answer, error) {
	p.buf = append(append(append(p.buf[:0], "GET "...), path...), p.tail...)
	if etag != "" {
		p.buf = append(append(append(p.buf, "If-None-Match: "...), etag...), "\r\n"...)
	}
	p.buf = append(p.buf, "\r\n"...)
	if err := p.c.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return answer{}, err
	}
	if _, err := p.c.Write(p.buf); err != nil {
		return answer{}, err
	}
	var a answer
	line, err := p.line()
	if err != nil {
		return a, err
	}
	if len(line) < 12 {
		return a, fmt.Errorf("GET %s: %q is no status line", path, line)
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, err
	}
	length := int64(-1)
	for {
		if line, err = p.line(); err != nil {
			return a, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return a, err
			}
		case etag == "" && bytes.EqualFold(name, []byte("Etag")):
			a.etag = string(value)
		}
	}
	if a.status == http.StatusNotModified {
		return a, nil
	}
	if length < 0 {
		return a, fmt.Errorf("GET %s: an answer without a length", path)
	}
	a.bytes, err = io.CopyN(io.Discard, p.r, length)
	return a, err
}

func (p *plain) line() ([]byte, error) {
	line, err := p.r.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// streams is one connection of HTTP/2 over TLS.
type streams struct {
	url, name, value string
	client           *http.Client
}

func newStreams(opt options) *streams {
	name, value, _ := strings.Cut(opt.header, ":")
	return &streams{opt.url, name, strings.TrimSpace(value), &http.Client{Timeout: answerWithin, Transport: &http.Transport{
		ForceAttemptHTTP2: true, DisableCompression: true, MaxConnsPerHost: 1,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a server of this machine under test
	}}}
}

func (s *streams) get(path, etag string) (answer, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+path, nil)
	if err != nil {
		return answer{}, err
	}
	if s.name != "" {
		req.Header.Set(s.name, s.value)
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		return answer{}, fmt.Errorf("GET %s: answered in %s, want HTTP/2", path, resp.Proto)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Etag"), n}, err
}
