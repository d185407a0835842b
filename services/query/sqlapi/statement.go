package sqlapi

import (
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// maxStatement bounds the text of a statement; a person or a tool writes less.
const maxStatement = 128 << 10

// The engine's rights and row policies confine what a statement can read in tables. What is refused here by name are the few
// functions that need no right and reach past tables: the embedded engine's file() reads any file of this machine, mergeTreeIndex()
// shows the keys of everybody's rows. A test asks the engine for all functions and fails when one appears that nobody looked at.

// refusedWords may not stand in a statement at all, because a function can be named without being called: arrayMap(file, …).
var refusedWords = words(
	"file", "showCertificate", "catboostEvaluate", "getServerSetting", "getServerPort", "getMacro", "getMergeTreeSetting", "tcpPort", "serverUUID",
	"filesystemAvailable", "filesystemCapacity", "filesystemUnreserved", "sleep", "sleepEachRow", "logTrace", "evalMLMethod", "joinGet", "joinGetOrNull",
	"getClientHTTPHeader", "addressToLine", "addressToLineWithInlines", "addressToSymbol", "demangle", "tid",
	"aiClassify", "aiGenerate", "aiEmbed", "aiExtract", "aiTranslate", "naiveBayesClassifier", "naiveBayesClassifierWithAllProbs", "naiveBayesClassifierWithProb",
)

// allowedTables are the table functions that make rows out of nothing or out of a question in the same text. All others that the
// engine has are refused when called.
var allowedTables = words("numbers", "numbers_mt", "generateSeries", "generate_series", "primes", "values", "SQLStandardValues", "view", "null", "format")

// refusedTables are the engine's other table functions.
var refusedTables = words(
	"ytsaurus", "hudiCluster", "deltaLakeCluster", "paimonHDFSCluster", "paimonAzureCluster", "paimonS3Cluster", "icebergAzureCluster", "icebergS3Cluster",
	"deltaLakeAzure", "paimonHDFS", "paimon", "icebergLocal", "icebergCluster", "icebergLocalCluster", "icebergAzure", "deltaLakeAzureCluster", "icebergS3",
	"iceberg", "hdfsCluster", "paimonLocal", "azureBlobStorageCluster", "icebergHDFSCluster", "s3Cluster", "hdfs", "oss", "gcs", "hudi", "cosn", "s3",
	"azureBlobStorage", "prometheusQueryRange", "prometheusQuery", "timeSeriesSelector", "timeSeriesMetrics", "timeSeriesTags", "timeSeriesSamples",
	"timeSeriesData", "mergeTreeProjection", "mergeTreeTextIndex", "mergeTreeAnalyzeIndexes", "mergeTreeAnalyzeIndexesUUID", "mergeTreeIndex", "paimonAzure",
	"loop", "postgresql", "cluster", "clusterAllReplicas", "viewIfPermitted", "viewExplain", "jdbc", "odbc", "filesystem", "paimonS3", "generateRandom",
	"dictionary", "fuzzQuery", "fuzzJSON", "icebergHDFS", "merge", "url", "urlCluster", "zeros", "zeros_mt", "executable", "deltaLakeS3",
	"deltaLakeS3Cluster", "deltaLakeLocal", "eval", "fileCluster", "redis", "input", "mysql", "mongodb", "deltaLake", "sqlite", "paimonCluster",
	"remote", "remoteSecure",
)

func words(list ...string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, w := range list {
		out[strings.ToLower(w)] = true
	}
	return out
}

// openings are the words that a statement may begin with.
var openings = []string{"select", "with", "from", "values", "explain", "describe", "desc", "exists", "show"}

// shows are what may follow SHOW: lists of what the reader can see anyway.
var shows = []string{"tables", "columns", "create", "full"}

// Statement checks the text of a statement and returns it as the engine gets it: without comments and without a semicolon at its end,
// so that what the engine reads is exactly what was looked at here. It refuses what only the engine's own reader would understand
// (heredocs, typographic quotes, escapes in names). It does not know SQL: the engine does. Errors: errs.Invalid, errs.Forbidden.
func Statement(text string) (string, error) {
	if len(text) > maxStatement {
		return "", errs.WithHint(errs.Invalid, "join with a table instead of a list of values", "the statement has %d bytes; at most %d are read", len(text), maxStatement)
	}
	s := scanner{text: text}
	if err := s.scan(); err != nil {
		return "", err
	}
	if err := checkTokens(s.tokens); err != nil {
		return "", err
	}
	return strings.TrimSpace(s.out.String()), nil
}

// checkTokens applies the rules to the tokens of a statement.
func checkTokens(tokens []token) error {
	if len(tokens) == 0 {
		return errs.WithHint(errs.Invalid, "for example SELECT service, count() FROM logs GROUP BY service", "the statement is empty")
	}
	if err := checkOpening(tokens); err != nil {
		return err
	}
	for i, t := range tokens {
		if t.kind != wordToken {
			continue
		}
		next := ""
		if i+1 < len(tokens) {
			next = tokens[i+1].text
		}
		switch {
		case refusedWords[t.text], refusedTables[t.text] && next == "(":
			return refused(t.text, "a statement reads the product's tables and views, and nothing beyond them")
		case next == "." && (t.text == "system" || t.text == "information_schema"):
			return refused(t.text+" tables", "GET /api/v1/sql/schema lists tables and columns")
		}
	}
	return nil
}

// checkOpening looks at the first words.
func checkOpening(tokens []token) error {
	i := 0
	for i < len(tokens) && tokens[i].text == "(" {
		i++
	}
	word := func(n int) string {
		if n < len(tokens) && tokens[n].kind == wordToken {
			return tokens[n].text
		}
		return ""
	}
	switch first := word(i); {
	case !slices.Contains(openings, first):
		return errs.WithHint(errs.Forbidden, "begin with SELECT or WITH", "only questions are answered here: %s", strings.ToUpper(strings.Join(openings, ", ")))
	case first == "show" && !slices.Contains(shows, word(i+1)):
		return refused("SHOW "+strings.ToUpper(word(i+1)), "SHOW TABLES, SHOW COLUMNS FROM … and SHOW CREATE TABLE … are answered")
	case first == "explain" && word(i+1) == "estimate":
		return refused("EXPLAIN ESTIMATE", "it counts rows of everybody; EXPLAIN and EXPLAIN indexes = 1 are answered")
	}
	return nil
}

func refused(what, hint string) error {
	return errs.WithHint(errs.Forbidden, hint, "%s is not available in statements", what)
}
