module github.com/faultline-io/faultline/web

go 1.26.6

ignore (
	./node_modules
	./src
)
