package ui

import (
	"net/http"
	"net/url"
	"strings"

	"terrarium/internal/ui/shared"
)

// tokenVariable is the variable that commands for private packages read a token
// from, so that no token ever stands in a page.
const tokenVariable = "TERRARIUM_TOKEN"

// channelAddress is the address of a channel for tools. OWNER/main is OWNER.
func (f *Face) channelAddress(owner, channel string, private bool) string {
	base := f.opts.URL
	if private {
		base += "/t/$" + tokenVariable
	}
	base += "/conda/" + url.PathEscape(owner)
	if channel == "" || channel == "main" {
		return base
	}
	return base + "/" + (&url.URL{Path: channel}).EscapedPath()
}

// installTools gives the commands that install a package from a channel.
func (f *Face) installTools(r *http.Request, owner, channel, spec string, private bool) shared.Install {
	quoted := spec
	if strings.ContainsAny(spec, "=<>*! ") {
		quoted = `"` + spec + `"`
	}
	address := f.channelAddress(owner, channel, private)
	before := ""
	if private {
		before = "export " + tokenVariable + "=…"
	}
	return shared.Install{Chosen: tool(r), Tools: []shared.Tool{
		{Name: "conda", Lines: []string{"conda install -c " + address + " " + quoted}, Before: before},
		{Name: "mamba", Lines: []string{"mamba install -c " + address + " " + quoted}, Before: before},
		{Name: "pixi", Lines: []string{"pixi workspace channel add " + address, "pixi add " + quoted}, Before: before},
	}}
}

// setupTools gives the commands that make a channel known to a computer once.
func (f *Face) setupTools(r *http.Request, owner, channel string, private bool) shared.Install {
	address := f.channelAddress(owner, channel, private)
	return shared.Install{Chosen: tool(r), Tools: []shared.Tool{
		{Name: "conda", Lines: []string{"conda config --prepend channels " + address}},
		{Name: "mamba", Lines: []string{"mamba config prepend channels " + address}},
		{Name: "pixi", Lines: []string{"pixi workspace channel add " + address}},
	}}
}

// andInstall adds the command that installs a package from the channel that is
// known then.
func andInstall(i shared.Install, name string) shared.Install {
	for n := range i.Tools {
		verb := " install "
		if i.Tools[n].Name == "pixi" {
			verb = " add "
		}
		i.Tools[n].Lines = append(i.Tools[n].Lines, i.Tools[n].Name+verb+name)
	}
	return i
}

// loginCommands tell anaconda-client about this server.
func (f *Face) loginCommands(name string) []string {
	if name == "" {
		name = "NAME"
	}
	return []string{"anaconda config --set url " + f.opts.URL + "/api", "anaconda login --username " + name}
}

// uploadCommand publishes a file.
func uploadCommand(owner, channel string, personal bool) string {
	command := "anaconda upload"
	if !personal {
		command += " --user " + owner
	}
	if channel != "" && channel != "main" {
		command += " --label " + channel
	}
	return command + " mypackage-1.0-0.conda"
}
