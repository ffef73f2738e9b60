package api

import "terrarium/internal/registry"

// v1File shows a file in the words of /api/v1.
func (f *Face) v1File(file registry.File) any { return f.distDocument(file) }
