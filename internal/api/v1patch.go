package api

import (
	"bytes"
	"cmp"
	"context"
	"net/http"

	"terrarium/internal/access"
	"terrarium/internal/web"
)

// v1Patched says what hotfixes did.
type v1Patched struct {
	Generation int64                   `json:"generation,omitempty" doc:"The one that they made; absent where they changed nothing."`
	Subdirs    map[string]v1PatchCount `json:"subdirs"`
}

type v1PatchCount struct {
	Changed int `json:"changed" doc:"Files whose records are other ones now."`
	Removed int `json:"removed" doc:"Files that the index lists no more; they can still be downloaded."`
	Kept    int `json:"kept" doc:"Files of which the index says already what is wanted."`
	Absent  int `json:"absent" doc:"Files that the index does not list."`
}

func (v *v1) patches() {
	reg := v.face.registry
	handle(v, operation{verdict{web.Admin, false}, "patch-channel", http.MethodPost, "/patches/{owner}/{channel}", "Apply hotfixes to the index of a channel", "channels", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			ChannelPath
			Subdir  string `query:"subdir" doc:"What patch_instructions.json is for; of a package, the only one to be applied."`
			File    string `query:"file" doc:"Name of the file that is sent: without it patch_instructions.json, or that of a package which holds SUBDIR/patch_instructions.json."`
			RawBody []byte `contentType:"application/octet-stream"`
		},
		) (*one[v1Patched], error) {
			// Who may not patch the channel does not have a package decoded.
			if err := reg.MayPatch(ctx, actor, in.Owner, in.Channel); err != nil {
				return nil, err
			}
			name := cmp.Or(in.File, "patch_instructions.json")
			patches, err := reg.ReadPatches(bytes.NewReader(in.RawBody), int64(len(in.RawBody)), name, in.Subdir)
			if err != nil {
				return nil, err
			}
			report, err := reg.Patch(ctx, actor, in.Owner, in.Channel, patches)
			if err != nil {
				return nil, err
			}
			out := v1Patched{Generation: report.Generation, Subdirs: map[string]v1PatchCount{}}
			for subdir, n := range report.Subdirs {
				out.Subdirs[subdir] = v1PatchCount(n)
			}
			return &one[v1Patched]{out}, nil
		})
}
