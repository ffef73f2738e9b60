package uitest

func (f frames) settings() []Case { return nil }
func (f frames) telling() []Case  { return nil }
