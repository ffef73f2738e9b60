package shared

// Install is a set of commands, one set a tool, of which one is shown.
type Install struct {
	ID     string // tells apart several switches of a page
	Chosen string // the tool whose commands are shown first, as the cookie says
	Tools  []Tool
}

// Tool is a program that installs packages, with the commands for it.
type Tool struct {
	Name   string // "conda", "mamba", "pixi", "pip"
	Lines  []string
	Before string // a command that has to be run once before; may be empty
}

// ToolNames are the tools that a switch can show, in their order.
func ToolNames() []string { return []string{"conda", "mamba", "pixi", "pip"} }

// chosen gives the name of the tool shown first: the wanted one if it is there.
func (i Install) chosen() string {
	for _, tool := range i.Tools {
		if tool.Name == i.Chosen {
			return tool.Name
		}
	}
	if len(i.Tools) == 0 {
		return ""
	}
	return i.Tools[0].Name
}

func (i Install) name() string { return "tool" + i.ID }
