package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/internal/app"
	"terrarium/internal/errs"
)

func load(t *testing.T, file string, env, flags map[string]string) ([]app.Value, error) {
	t.Helper()
	if flags == nil {
		flags = map[string]string{}
	}
	if file != "" {
		name := filepath.Join(t.TempDir(), "terrarium.toml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		flags["config"] = name
	}
	return app.Load(flags, func(key string) (string, bool) { v, ok := env[key]; return v, ok })
}

func value(t *testing.T, values []app.Value, key string) app.Value {
	t.Helper()
	for _, v := range values {
		if v.Key == key {
			return v
		}
	}
	t.Fatalf("there is no setting %q", key)
	return app.Value{}
}

func TestSettingsPrecedence(t *testing.T) {
	file := "listen = \"127.0.0.1:1\"\nproxy_trust = [\"10.0.0.0/8\", \"192.0.2.1\"]\n"
	env := map[string]string{"TERRARIUM_LISTEN": "127.0.0.1:2"}
	for _, c := range []struct {
		name, file   string
		env, flags   map[string]string
		want, source string
	}{
		{"default", "", nil, nil, "127.0.0.1:8080", "default"},
		{"file", file, nil, nil, "127.0.0.1:1", "file"},
		{"environment", file, env, nil, "127.0.0.1:2", "environment"},
		{"flag", file, env, map[string]string{"listen": "127.0.0.1:3"}, "127.0.0.1:3", "flag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			values, err := load(t, c.file, c.env, c.flags)
			if err != nil {
				t.Fatal(err)
			}
			v := value(t, values, "listen")
			if v.Value != c.want || !strings.HasPrefix(v.Source, c.source) {
				t.Errorf("listen is %q from %s, want %q from %s", v.Value, v.Source, c.want, c.source)
			}
		})
	}
	values, err := load(t, file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := app.Parse(values)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.ProxyTrust) != 2 || cfg.ProxyTrust[1].String() != "192.0.2.1/32" {
		t.Errorf("proxy_trust out of a list of the file is %v", cfg.ProxyTrust)
	}
}

func TestSettingsRefused(t *testing.T) {
	for _, c := range []struct{ key, value, says string }{
		{"url", "ftp://x", "url"},
		{"url", "http://host/path", "without a path"},
		{"signup", "perhaps", "signup"},
		{"proxy_trust", "everybody", "proxy-trust"},
		{"max_upload", "10 apples", "max-upload"},
		{"index_max_age", "-5m", "index-max-age"},
		{"log_level", "loud", "log-level"},
		{"tls_cert", "cert.pem", "tls-key"},
		{"traces", "127.0.0.1:4318", "traces"},
		{"traces", "grpc://127.0.0.1:4317", "traces"},
		{"traces", "http://user:hunter2@127.0.0.1:4318", "u"},
		{"traces", "http://127.0.0.1:4318/?token=x", "traces"},
		{"tls_dev", "maybe", "tls-dev"},
	} {
		t.Run(c.key, func(t *testing.T) {
			values, err := load(t, "", nil, map[string]string{c.key: c.value})
			if err != nil {
				t.Fatal(err)
			}
			_, err = app.Parse(values)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Message(err), c.says) {
				t.Errorf("%s = %q: %v, want a refusal that says %q", c.key, c.value, err, c.says)
			}
			if strings.Contains(errs.Message(err), "hunter2") {
				t.Errorf("%s = %q: the refusal shows the password: %v", c.key, c.value, err)
			}
		})
	}
	if _, err := load(t, "lissten = \"x\"\n", nil, nil); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Message(err), "lissten") {
		t.Errorf("a setting that is none: %v", err)
	}
	if _, err := app.Load(map[string]string{"config": "/nowhere/x.toml"}, os.LookupEnv); !errs.Is(err, errs.Invalid) {
		t.Errorf("a named file that is absent: %v", err)
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{"1": 1, "10GB": 10e9, "1 MiB": 1 << 20, "3kB": 3000} {
		if got, err := app.ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "GB", "-1", "0", "1XB", "99999999TB"} {
		if got, err := app.ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", in, got)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	values, err := load(t, "", nil, map[string]string{"database": "postgres://u:hunter2@h/db", "mail": "smtp://u:hunter2@h:25"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ key, given, want string }{
		{"database", "postgres://h/db?sslmode=require&user=u&password=hunter2", "postgres://h/db?password=xxxxx&sslmode=require&user=u"},
		{"blobs", "s3://b?accessKey=a&secret_key=hunter2&region=r", "s3://b?accessKey=xxxxx&region=r&secret_key=xxxxx"},
		{"blobs", "file:/a folder/it's", "file:/a folder/it's"},
	} {
		values, err := load(t, "", nil, map[string]string{tt.key: tt.given})
		if err != nil {
			t.Fatal(err)
		}
		if got := value(t, values, tt.key).Shown(); got != tt.want {
			t.Errorf("%s is shown as %q, want %q", tt.given, got, tt.want)
		}
	}
	for _, key := range []string{"database", "mail"} {
		if s := value(t, values, key).Shown(); strings.Contains(s, "hunter2") || !strings.Contains(s, "u:xxxxx@h") {
			t.Errorf("%s is shown as %q", key, s)
		}
	}
}
