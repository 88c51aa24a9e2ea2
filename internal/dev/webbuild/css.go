package main

import (
	"errors"
	"os"

	"github.com/evanw/esbuild/pkg/api"
)

// sheets has a script that imports a style sheet get its text, without blanks: elements
// bring their own, which a page's rules do not reach.
func sheets(b api.PluginBuild) {
	b.OnLoad(api.OnLoadOptions{Filter: `[\\/]src[\\/]player[\\/][^\\/]+\.css$`}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		text, err := os.ReadFile(a.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		small := api.Transform(string(text), api.TransformOptions{
			Loader: api.LoaderCSS, MinifyWhitespace: true, MinifySyntax: true, Sourcefile: a.Path,
		})
		if len(small.Errors) > 0 {
			return api.OnLoadResult{}, errors.New(small.Errors[0].Text)
		}
		code := string(small.Code)
		return api.OnLoadResult{Contents: &code, Loader: api.LoaderText}, nil
	})
}
