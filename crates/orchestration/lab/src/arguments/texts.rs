//! What the help says of all commands together.

pub(super) const ABOUT: &str = "\
Follows one web request through every layer of a modern stack: real programs, real protocols, measured.";

pub(super) const LONG_ABOUT: &str = "\
Follows one web request through every layer of a modern stack: real programs, real protocols, measured.

Without a command: starts everything, measures one cold and one warm journey of POST /cart/items,
prints both (--parts opens every row), and stays up; whatever you then request with curl or a browser is
printed, too.";

pub(super) const AFTER: &str = "\
Examples:
  lab                                     the whole stack; Ctrl-C stops it
  lab curl -i /cart                       in another terminal: curl, with the lab's DNS, CA and token
  lab measure -n 200 --warm               200 warm journeys: where the time goes, with percentiles
  lab --swap store=redis-server --swap ingress=nginx      the same with real programs in their place
  lab recipes                             which real programs fit which slot, and what to install
  lab --set hop.cart-pod-abc12.workers=1  the same with another setting
  lab --set lab.name=two --set network.port_offset=100      a second lab beside the first

Exit codes: 0 good; 1 a check failed; 2 wrong usage or a wrong plan; 3 could not be started or measured.

Results go to standard output, everything else to standard error. Colours are where a terminal is; NO_COLOR=1 turns them off.";
