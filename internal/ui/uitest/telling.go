package uitest

import (
	"terrarium/internal/ui/pages/blocked"
	"terrarium/internal/ui/pages/document"
	"terrarium/internal/ui/pages/refusal"
	"terrarium/internal/ui/pages/status"
	"terrarium/internal/ui/shared"
)

// telling are the pages of text, state and refusal.
func (f frames) telling() []Case {
	help := document.Help{
		Page: f.anonymous("Help", "/help"), API: "/api/v1/docs",
		Login: []string{"anaconda login --at https://conda.acme.example"}, Upload: []string{"anaconda upload mypackage-1.0-0.conda"},
		Install: shared.Install{Chosen: "conda", Tools: []shared.Tool{{Name: "conda", Lines: []string{"conda install -c https://conda.acme.example/conda/acme rasterio"}}, {Name: "pixi", Lines: []string{"pixi workspace channel add https://conda.acme.example/conda/acme", "pixi add rasterio"}}}},
	}
	keysOff := help
	keysOff.KeysOff, keysOff.API = true, ""
	cases := []Case{
		{"help-full", document.HelpView(help)},
		{"help-keysoff", document.HelpView(keysOff)},
		{"terms-full", document.View(document.Page{Page: f.anonymous("Terms", "/terms"), Heading: "Terms and Conditions", Updated: ago(51), HTML: "<h2>What you may put here</h2><p>Packages that you may give to others.</p>"})},
		{"privacy-empty", document.View(document.Page{Page: f.anonymous("Privacy", "/privacy"), Heading: "Privacy"})},
		{"status-full", status.View(status.Page{Page: f.anonymous("Status", "/status"), Started: ago(12), Parts: []status.Part{{Name: "Database", OK: true, Sentence: "Answers in 1 ms."}, {Name: "Files", OK: true, Sentence: "Read and written."}, {Name: "Index", OK: true, Sentence: "All channels are loaded."}}})},
		{"status-error", status.View(status.Page{Page: f.anonymous("Status", "/status"), Started: ago(12), Parts: []status.Part{{Name: "Database", OK: false, Sentence: "Does not answer. Installs go on from what is known."}, {Name: "Files", OK: true, Sentence: "Read and written."}}})},
	}
	no := func(name string, p refusal.Page) {
		p.Page = f.anonymous(p.Heading, "/acme/rasteroi")
		if name == "403" {
			p.Page = f.member(p.Heading, "/acme/rasterio/settings/general", "ana")
		}
		p.NoIndex = true
		cases = append(cases, Case{"refusal-" + name, refusal.View(p)})
	}
	no("403", refusal.Page{Status: 403, Heading: "You may read acme/rasterio, not change it.", Sentence: "Changing its settings needs Administration.", Ask: "ana and ben can give it to you.", Ways: []shared.Link{{Text: "Back to acme/rasterio", Href: "/acme/rasterio"}}})
	no("404", refusal.Page{Status: 404, Heading: "Nothing here, or it is not for you.", Find: true, Search: "acme rasteroi"})
	no("410", refusal.Page{Status: 410, Heading: "rasterio-1.3.9-py312_0.conda was deleted.", Sentence: "ben deleted it on 3 Mar.", Ways: []shared.Link{{Text: "Nearest release: 1.3.11", Href: "/acme/rasterio/releases/1.3.11"}}})
	no("413", refusal.Page{Status: 413, Heading: "This upload needs 1.2 GB; 0.8 of 3 GB are free.", Ways: []shared.Link{{Text: "Storage", Href: "/settings/storage"}}})
	no("422", refusal.Page{Status: 422, Heading: "Nothing was stored.", Reasons: []string{"The file says linux-64, the upload says osx-64.", "info/index.json names version 1.4.2, the file name 1.4.3."}})
	no("429", refusal.Page{Status: 429, Heading: "Too many tries.", Sentence: "Try again in 8 minutes, at 12:08 UTC."})
	no("500", refusal.Page{Status: 500, Heading: "Something broke here, not with you.", Sentence: "Installs go on.", Retry: "/acme/rasterio", RequestID: "01JD8Z4T7M"})
	no("503", refusal.Page{Status: 503, Heading: "The database is away.", Sentence: "Installs go on from what is known; pages come back by themselves.", Retry: "/acme/rasterio", RequestID: "01JD8Z4T7M"})

	wall := blocked.Page{
		Page: f.member("pyarrow 14.0.0 is blocked", "/why/8KQ2", "ana"), What: "pyarrow 14.0.0", Where: "acme/prod",
		Sentence: "A known vulnerability lets a crafted file run code on your machine. Use 14.0.1 or newer.",
		Command:  []string{`conda install -c https://conda.acme.example/conda/acme/prod "pyarrow>=14.0.1"`},
		Allowed: []blocked.Release{
			{Version: "14.0.1", Href: "/acme/pyarrow/releases/14.0.1", Why: "same series, smallest step", For: "linux-64, Python 3.11", State: shared.Badge{Kind: "ok", Icon: "check", Text: "Nothing known"}},
			{Version: "20.0.0", Href: "/acme/pyarrow/releases/20.0.0", Why: "newest", For: "linux-64, Python 3.11", State: shared.Badge{Kind: "ok", Icon: "check", Text: "Nothing known"}},
		},
		Facts: []blocked.Fact{
			{Label: "Policy", Value: "No critical CVEs", Href: "/admin/acme/policies", More: ", version 7, by the security team"},
			{Label: "Rule 1", Value: "Block when a CVE scores 9.0 or more and its status is active"},
			{Label: "Found", Value: "CVE-2023-47248", Href: "/admin/acme/cves", Badge: shared.Badge{Kind: "bad", Text: "9.8 critical"}, More: "Reading IPC or Parquet data from an untrusted source can execute code. Affects 0.14.0 to 14.0.0, fixed in 14.0.1."},
			{Label: "File", Value: "linux-64/pyarrow-14.0.0-py311h39c9aba_1_cpu.conda", Mono: true},
			{Label: "In force", Value: "since 2 Sep 2026, for everybody in acme"},
		},
		Meaning: []string{"Environments that already have this file go on working; nothing was removed from your machine."},
		Asking:  &blocked.Asking{Sentence: "The security team answers most requests within one working day.", Action: "/why/8KQ2", Until: []shared.Option{{Value: "90", Label: "90 days, 19 Feb 2027", Selected: true}}, Before: "2 people asked before."},
		Link:    "/why/8KQ2", RequestID: "01JD8Z4T7M",
	}
	outside := wall
	outside.Page = f.anonymous("pyarrow 14.0.0 is blocked", "/why/8KQ2")
	bare := outside
	bare.Command, bare.Allowed, bare.Meaning, bare.Asking = nil, nil, nil, nil
	return append(cases, Case{"blocked-full", blocked.View(wall)}, Case{"blocked-anonymous", blocked.View(outside)}, Case{"blocked-empty", blocked.View(bare)})
}
