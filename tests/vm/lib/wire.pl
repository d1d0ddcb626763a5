# wire.pl COMMAND...: runs COMMAND with the two ends of a socket pair open as
# descriptors 100 and 101.
use strict;
use warnings;
use Socket;
use POSIX qw(dup2);

socketpair(my $one, my $other, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	or die "socketpair: $!\n";
# dup2() leaves them open across exec.
defined dup2(fileno($one), 100) and defined dup2(fileno($other), 101)
	or die "dup2: $!\n";
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
