package main

import (
	"reflect"
	"strconv"
	"strings"
)

// settings are the flags of app.Settings; a test holds the two together. Only
// those that were given are not nil.
type settings struct {
	ConfigFile       *string `name:"config" placeholder:"FILE" help:"Configuration file (TOML); terrarium.toml if present." group:"Settings"`
	Data             *string `placeholder:"DIR" help:"Folder that holds everything unless told otherwise (./terrarium-data)." group:"Settings"`
	Listen           *string `placeholder:"HOST:PORT" help:"Address to listen on (127.0.0.1:8080)." group:"Settings"`
	URL              *string `name:"url" placeholder:"URL" help:"Public address, used in every link." group:"Settings"`
	Database         *string `placeholder:"URL" help:"sqlite:PATH or postgres://…" group:"Settings"`
	Blobs            *string `placeholder:"URL" help:"file:DIR or s3://BUCKET?…" group:"Settings"`
	Mail             *string `placeholder:"URL" help:"dir:DIR or smtp://…" group:"Settings"`
	Signup           *string `placeholder:"RULE" help:"open, invite, domain:example.com, closed." group:"Settings"`
	TLSCert          *string `name:"tls-cert" placeholder:"FILE" help:"Certificate (PEM)." group:"Settings"`
	TLSKey           *string `name:"tls-key" placeholder:"FILE" help:"Key (PEM)." group:"Settings"`
	TLSDev           *bool   `name:"tls-dev" help:"Make a local authority and a certificate." group:"Settings"`
	ProxyTrust       *string `placeholder:"NETS" help:"Who may say X-Forwarded-*." group:"Settings"`
	InstanceName     *string `placeholder:"NAME" help:"Name of this instance." group:"Settings"`
	Support          *string `placeholder:"WHOM" help:"Whom people ask for help." group:"Settings"`
	MaxUpload        *string `placeholder:"SIZE" help:"Largest file accepted (10GB)." group:"Settings"`
	IndexMaxAge      *string `placeholder:"TIME" help:"How long clients may keep public metadata unasked (0s)." group:"Settings"`
	DownloadRedirect *bool   `help:"Answer downloads with a presigned address." group:"Settings"`
	OutgoingAllow    *string `placeholder:"NETS" help:"Private networks that may be connected to." group:"Settings"`
	VerifyEmail      *bool   `help:"Publishing publicly needs a verified address." negatable:"" group:"Settings"`
	LogFormat        *string `placeholder:"FORMAT" help:"text or json." group:"Settings"`
	LogLevel         *string `placeholder:"LEVEL" help:"debug, info, warn, error." group:"Settings"`
	Traces           *string `placeholder:"URL" help:"Collector of traces, http://127.0.0.1:4318." group:"Settings"`
}

// given gives the values of the flags that were given, by the key of their
// setting.
func (s settings) given() map[string]string {
	out := map[string]string{}
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsNil() {
			continue
		}
		key := flagKey(v.Type().Field(i))
		if b, ok := f.Interface().(*bool); ok {
			out[key] = strconv.FormatBool(*b)
		} else {
			out[key] = f.Elem().String()
		}
	}
	return out
}

// flagKey gives the key of the setting behind a field: its name tag, or its Go
// name in the way that kong spells flags.
func flagKey(f reflect.StructField) string {
	name := f.Tag.Get("name")
	if name == "" {
		var b strings.Builder
		for i, r := range f.Name {
			if i > 0 && r >= 'A' && r <= 'Z' {
				b.WriteByte('-')
			}
			b.WriteRune(r)
		}
		name = strings.ToLower(b.String())
	}
	return strings.ReplaceAll(name, "-", "_")
}
