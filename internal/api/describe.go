package api

import "terrarium/internal/web"

func (f *Face) describe() []web.Route { return nil }
