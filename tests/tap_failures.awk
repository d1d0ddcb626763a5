# What TAP says of its failures: each "not ok" with the lines around it, and all that
# comes after the last result.

/^ok( |$)/ {
	if (failed)
		printf "%s", held
	held = ""
	failed = 0
	next
}

/^not ok/ { failed = 1 }

{ held = held $0 "\n" }

END { printf "%s", held }
