# From TAP to lines "state TAB name TAB reason", state one of pass, fail, skip; the
# reason of a failure are the comments before it.  A plan that does not match what
# came is a failure of its own.

function name(line) {
	sub(/^(not )?ok */, "", line)
	sub(/^[0-9]+ */, "", line)
	sub(/^- */, "", line)
	sub(/ *# *[Ss][Kk][Ii][Pp].*/, "", line)
	return line == "" ? "subtest " seen : line
}

function reason(line) {
	sub(/.*# *[Ss][Kk][Ii][Pp][^ ]* */, "", line)
	return line == "" ? "no reason given" : line
}

/^#/ { said = said (said == "" ? "" : "; ") substr($0, 3) }

/^(not )?ok( |$)/ {
	seen++
	if (/# *[Ss][Kk][Ii][Pp]/)
		print "skip\t" name($0) "\t" reason($0)
	else
		print (/^not/ ? "fail\t" : "pass\t") name($0) "\t" (/^not/ ? substr(said, 1, 400) : "")
	said = ""
}

/^1\.\.[0-9]+/ {
	plan = substr($1, 4) + 0
	planned += plan	# of several programs, one after the other
	has_plan = 1
	if (plan == 0)
		print "skip\tall\t" reason($0)
}

END {
	if (has_plan && planned != seen + 0)
		print "fail\tplan\t" planned " planned, " seen + 0 " came"
}
