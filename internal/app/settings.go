package app

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"terrarium/internal/errs"
	"terrarium/internal/trace"
)

// Config is the program's configuration, parsed once.
type Config struct {
	Data       string // folder of everything that the defaults keep
	Listen     string // host:port
	URL        string // public address without a final slash, used in every link
	Database   string // sqlite:PATH or postgres://…
	Blobs      string // file:DIR, s3://bucket?…
	Mail       string // dir:DIR or smtp://…
	Signup     string // open, invite, domain:…, closed
	TLSCert    string
	TLSKey     string
	TLSDev     bool
	ProxyTrust []netip.Prefix // who may say X-Forwarded-*

	Name            string        // of the instance, on every page
	Support         string        // whom people ask
	MaxUpload       int64         // bytes of one file
	IndexMaxAge     time.Duration // how long public metadata may be kept unasked
	Redirect        bool          // downloads by presigned addresses where the store can
	OutgoingAllowed []netip.Prefix
	VerifyEmail     bool // publishing publicly needs a verified address
	LogFormat       string
	LogLevel        string
	Traces          string // address of a collector of traces; "" makes none

	Values []Value // what all this was parsed from
}

// Setting is one line of the table of settings.
type Setting struct {
	Key     string // in the file: "proxy_trust"
	Default string
	Help    string
	Secret  bool // may hold a password: shown without it
	Bool    bool // a flag without value
}

// Flag is the setting's name on the command line, without dashes.
func (s Setting) Flag() string { return strings.ReplaceAll(s.Key, "_", "-") }

// Env is the setting's name in the environment.
func (s Setting) Env() string { return "TERRARIUM_" + strings.ToUpper(s.Key) }

// Settings is the table of all settings, in the order in which they are shown.
func Settings() []Setting {
	return []Setting{
		{Key: "data", Default: "./terrarium-data", Help: "Folder that holds everything unless told otherwise."},
		{Key: "listen", Default: "127.0.0.1:8080", Help: "Address to listen on."},
		{Key: "url", Help: "Public address, used in every link. Default: http:// and the address listened on."},
		{Key: "database", Secret: true, Help: "sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME. Default: sqlite:DATA/terrarium.db."},
		{Key: "blobs", Secret: true, Help: "file:DIR, or s3://BUCKET?endpoint=…&region=…. Default: file:DATA/blobs."},
		{Key: "mail", Secret: true, Help: "dir:DIR (one .eml a message) or smtp://USER:PASSWORD@HOST:PORT. Default: dir:DATA/mail."},
		{Key: "signup", Default: "open", Help: "Who may sign up: open, invite, domain:example.com,…, closed."},
		{Key: "tls_cert", Help: "Certificate file (PEM)."},
		{Key: "tls_key", Help: "Key file (PEM)."},
		{Key: "tls_dev", Default: "false", Bool: true, Help: "Make a local certificate authority and a certificate in DATA/tls."},
		{Key: "proxy_trust", Help: "Addresses or networks, separated by commas, that may say X-Forwarded-*."},
		{Key: "instance_name", Default: "Terrarium", Help: "Name of this instance, on every page."},
		{Key: "support", Help: "Whom people ask for help: an address or a sentence."},
		{Key: "max_upload", Default: "10GB", Help: "Largest file accepted."},
		{Key: "index_max_age", Default: "0s", Help: "How long clients may keep public metadata without asking; for the sake of a CDN."},
		{Key: "download_redirect", Default: "false", Bool: true, Help: "Answer package downloads with a presigned address of the store."},
		{Key: "outgoing_allow", Help: "Private networks, separated by commas, to which connections may be made."},
		{Key: "verify_email", Default: "true", Bool: true, Help: "Publishing publicly needs a verified e-mail address."},
		{Key: "log_format", Default: "text", Help: "text or json."},
		{Key: "log_level", Default: "info", Help: "debug, info, warn or error."},
		{Key: "traces", Secret: true, Help: "Collector of traces (OTLP over HTTP), such as http://127.0.0.1:4318. Default: none are made."},
	}
}

// Value is a setting with where its value came from.
type Value struct {
	Setting
	Value  string
	Source string // "flag", "environment", "file PATH", "default"
}

// Load gathers the settings: a flag beats the environment, that the file, that
// the default. flags holds only the flags that were given, by key.
func Load(flags map[string]string, env func(string) (string, bool)) ([]Value, error) {
	fileName, named := flags["config"]
	if !named {
		fileName, named = env("TERRARIUM_CONFIG")
	}
	fromFile, err := readFile(fileName, named)
	if err != nil {
		return nil, err
	}
	if !named {
		fileName = defaultFile
	}
	var out []Value
	for _, s := range Settings() {
		v := Value{Setting: s, Value: s.Default, Source: "default"}
		if fromFile.Exists(s.Key) {
			v.Value, v.Source = listText(fromFile, s.Key), "file "+fileName
		}
		if e, ok := env(s.Env()); ok && e != "" {
			v.Value, v.Source = e, "environment"
		}
		if f, ok := flags[s.Key]; ok {
			v.Value, v.Source = f, "flag"
		}
		out = append(out, v)
	}
	known := map[string]bool{}
	for _, s := range Settings() {
		known[s.Key] = true
	}
	for _, k := range fromFile.Keys() {
		if !known[k] {
			return nil, errs.New(errs.Invalid, "%s: there is no setting %q.", fileName, k)
		}
	}
	return out, nil
}

const defaultFile = "terrarium.toml"

// readFile reads the configuration file; one that was not named may be absent.
func readFile(name string, named bool) (*koanf.Koanf, error) {
	k := koanf.New(".")
	if !named {
		name = defaultFile
		if _, err := os.Stat(name); os.IsNotExist(err) {
			return k, k.Load(confmap.Provider(nil, "."), nil)
		}
	}
	if err := k.Load(file.Provider(name), toml.Parser()); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The configuration file %s cannot be read", name)
	}
	return k, nil
}

func listText(k *koanf.Koanf, key string) string {
	if list := k.Strings(key); len(list) > 0 {
		return strings.Join(list, ",")
	}
	return k.String(key)
}

// Parse makes a Config of settings. A wrong value is errs.Invalid and names the
// setting and where it came from.
func Parse(values []Value) (Config, error) {
	c := Config{Values: values}
	var err error
	get := func(key string) string {
		for _, v := range values {
			if v.Key == key {
				return v.Value
			}
		}
		return ""
	}
	bad := func(key, want string) error {
		for _, v := range values {
			if v.Key == key {
				return errs.New(errs.Invalid, "%s is %q (from the %s), which is not %s.", v.Flag(), v.Shown(), v.Source, want)
			}
		}
		return nil
	}
	c.Data, c.Listen, c.Signup = get("data"), get("listen"), get("signup")
	c.TLSCert, c.TLSKey = get("tls_cert"), get("tls_key")
	c.Name, c.Support = get("instance_name"), get("support")
	for key, dest := range map[string]*bool{"tls_dev": &c.TLSDev, "download_redirect": &c.Redirect, "verify_email": &c.VerifyEmail} {
		if *dest, err = strconv.ParseBool(get(key)); err != nil {
			return c, bad(key, "true or false")
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return c, errs.New(errs.Invalid, "tls-cert and tls-key go together; one of them is missing.")
	}
	c.URL = strings.TrimSuffix(get("url"), "/")
	if c.URL == "" {
		c.URL = "http://" + c.Listen
		if c.TLSDev || c.TLSCert != "" {
			c.URL = "https://" + c.Listen
		}
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.User != nil {
		return c, bad("url", "an address like https://conda.example.com, without a path")
	}
	if c.Database = get("database"); c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "terrarium.db")
	}
	if c.Blobs = get("blobs"); c.Blobs == "" {
		c.Blobs = "file:" + filepath.Join(c.Data, "blobs")
	}
	if c.Mail = get("mail"); c.Mail == "" {
		c.Mail = "dir:" + filepath.Join(c.Data, "mail")
	}
	switch s := c.Signup; {
	case s == "open", s == "invite", s == "closed", strings.HasPrefix(s, "domain:") && len(s) > len("domain:"):
	default:
		return c, bad("signup", "open, invite, domain:example.com or closed")
	}
	if c.ProxyTrust, err = prefixes(get("proxy_trust")); err != nil {
		return c, bad("proxy_trust", "a list of addresses or networks such as 10.0.0.0/8")
	}
	if c.OutgoingAllowed, err = prefixes(get("outgoing_allow")); err != nil {
		return c, bad("outgoing_allow", "a list of addresses or networks such as 10.0.0.0/8")
	}
	if c.MaxUpload, err = ParseSize(get("max_upload")); err != nil {
		return c, bad("max_upload", "a size such as 500MB or 10GB")
	}
	if c.IndexMaxAge, err = time.ParseDuration(get("index_max_age")); err != nil || c.IndexMaxAge < 0 {
		return c, bad("index_max_age", "a time such as 0s or 5m")
	}
	if c.LogFormat = get("log_format"); c.LogFormat != "text" && c.LogFormat != "json" {
		return c, bad("log_format", "text or json")
	}
	switch c.LogLevel = get("log_level"); c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		return c, bad("log_level", "debug, info, warn or error")
	}
	if c.Traces = get("traces"); c.Traces != "" && trace.CheckAddress(c.Traces) != nil {
		return c, bad("traces", "the address of a collector, like http://127.0.0.1:4318")
	}
	return c, nil
}

func prefixes(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			a, aerr := netip.ParseAddr(part)
			if aerr != nil {
				return nil, err
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p)
	}
	return out, nil
}

// ParseSize reads a number of bytes with an optional unit: B, kB, MB, GB, TB
// (powers of 1000), KiB, MiB, GiB, TiB (powers of 1024).
func ParseSize(s string) (int64, error) {
	i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if i < 0 {
		i = len(s)
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	if err != nil {
		return 0, err
	}
	unit := int64(1)
	switch strings.TrimSpace(s[i:]) {
	case "", "B":
	case "kB", "KB":
		unit = 1e3
	case "MB":
		unit = 1e6
	case "GB":
		unit = 1e9
	case "TB":
		unit = 1e12
	case "KiB":
		unit = 1 << 10
	case "MiB":
		unit = 1 << 20
	case "GiB":
		unit = 1 << 30
	case "TiB":
		unit = 1 << 40
	default:
		return 0, fmt.Errorf("unknown unit in %q", s)
	}
	if n <= 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("size %q out of range", s)
	}
	return n * unit, nil
}

// Shown is the value as it may be printed: without the passwords of an address,
// be they before the host or in the query.
func (v Value) Shown() string {
	if !v.Secret {
		return v.Value
	}
	u, err := url.Parse(v.Value)
	if err != nil {
		return "(not shown)"
	}
	query, hidden := u.Query(), false
	for name, values := range query {
		if secretName.MatchString(name) {
			query[name], hidden = slices.Repeat([]string{"xxxxx"}, len(values)), true
		}
	}
	if hidden {
		u.RawQuery = query.Encode()
	}
	if _, has := u.User.Password(); has {
		u.User, hidden = url.UserPassword(u.User.Username(), "xxxxx"), true
	}
	if !hidden {
		return v.Value // as it was given
	}
	return u.String()
}

// secretName matches the parameters of an address that hold a secret.
var secretName = regexp.MustCompile("(?i)pass|secret|token|key")

// Resolved gives the settings with what defaults depend on filled in.
func Resolved(values []Value, c Config) []Value {
	out := make([]Value, len(values))
	copy(out, values)
	for i := range out {
		if out[i].Value != "" {
			continue
		}
		switch out[i].Key {
		case "url":
			out[i].Value = c.URL
		case "database":
			out[i].Value = c.Database
		case "blobs":
			out[i].Value = c.Blobs
		case "mail":
			out[i].Value = c.Mail
		}
	}
	return out
}
