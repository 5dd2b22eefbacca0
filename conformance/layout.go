package conformance

// A numbering says whose numbers a field holds. Those of the tester go over the
// wire as the script says them, those of the engine are translated.
type numbering uint8

const (
	plain    numbering = iota
	sender             // of the side that sends the packet: its TSNs and request numbers
	receiver           // of the side that gets the packet
	tagOwner           // an Initiate Tag, of the sender
)

// A field is a number at a fixed place behind the header.
type field struct {
	key  string
	size int // bytes; "" as key marks reserved bytes
	of   numbering
}

// A tail is what follows the fields.
type tail uint8

const (
	noTail       tail = iota
	dataTail          // user data, given by len alone
	iDataTail         // PPID or FSN, then user data
	bytesTail         // bytes under key: val or info
	textTail          // bytes under key, as a string
	paramsTail        // parameters among the arguments
	causesTail        // causes among the arguments
	sackTail          // counts, gaps and dups
	nrSackTail        // counts, gaps, nr_gaps and dups
	idsTail           // {stream, number} of FORWARD-TSN
	midsTail          // {stream, reserved, MID} of I-FORWARD-TSN
	list8Tail         // list of bytes under key; chunk types by name
	list16Tail        // list of 16-bit numbers under key
	counted16         // the same behind a 32-bit count
	responseTail      // sender_next_tsn and receiver_next_tsn, or nothing
	addrTail          // an IP address under key
	paramTail         // one parameter under key
	inParamsTail      // parameters under key
	chunkTail         // a chunk of the other direction under key
)

// A layout describes a chunk, a parameter or a cause.
type layout struct {
	name   string
	code   int
	flags  string // letters of the flags from bit 0 on
	fields []field
	tail   tail
	key    string // of the tail
}

// A table is the layouts of one kind.
type table struct {
	kind    string // chunk, parameter or cause
	generic string // name of the form that names nothing
	codeKey string // how that form calls the code
	valKey  string // and the value
	layouts []layout
}

func (t *table) byName(name string) *layout {
	for i := range t.layouts {
		if t.layouts[i].name == name {
			return &t.layouts[i]
		}
	}
	return nil
}

func (t *table) byCode(code int) *layout {
	for i := range t.layouts {
		if t.layouts[i].code == code {
			return &t.layouts[i]
		}
	}
	return nil
}

// dataFlags are the flags of DATA and I-DATA: E, B, U, I (RFC 9260, 3.3.1).
const dataFlags = "EBUI"

var initFields = []field{{"tag", 4, tagOwner}, {"a_rwnd", 4, plain}, {"os", 2, plain}, {"is", 2, plain}, {"tsn", 4, sender}}

// chunkTable holds the chunks: RFC 9260 (3.3), 3758, 4820, 6525, 8260 and NR-SACK.
var chunkTable = &table{"chunk", "CHUNK", "type", "val", []layout{
	{"DATA", 0, dataFlags, []field{{"tsn", 4, sender}, {"sid", 2, plain}, {"ssn", 2, plain}, {"ppid", 4, plain}}, dataTail, ""},
	{"INIT", 1, "", initFields, paramsTail, ""},
	{"INIT_ACK", 2, "", initFields, paramsTail, ""},
	{"SACK", 3, "", []field{{"cum_tsn", 4, receiver}, {"a_rwnd", 4, plain}}, sackTail, ""},
	{"HEARTBEAT", 4, "", nil, paramsTail, ""},
	{"HEARTBEAT_ACK", 5, "", nil, paramsTail, ""},
	{"ABORT", 6, "T", nil, causesTail, ""},
	{"SHUTDOWN", 7, "", []field{{"cum_tsn", 4, receiver}}, noTail, ""},
	{"SHUTDOWN_ACK", 8, "", nil, noTail, ""},
	{"ERROR", 9, "", nil, causesTail, ""},
	{"COOKIE_ECHO", 10, "", nil, bytesTail, "val"},
	{"COOKIE_ACK", 11, "", nil, noTail, ""},
	{"ECNE", 12, "", []field{{"tsn", 4, receiver}}, noTail, ""},
	{"CWR", 13, "", []field{{"tsn", 4, sender}}, noTail, ""},
	{"SHUTDOWN_COMPLETE", 14, "T", nil, noTail, ""},
	{"NR_SACK", 16, "", []field{{"cum_tsn", 4, receiver}, {"a_rwnd", 4, plain}}, nrSackTail, ""},
	{"I_DATA", 64, dataFlags, []field{{"tsn", 4, sender}, {"sid", 2, plain}, {"", 2, plain}, {"mid", 4, plain}}, iDataTail, ""},
	{"RECONFIG", 130, "", nil, paramsTail, ""},
	{"PAD", 132, "", nil, bytesTail, "val"},
	{"FORWARD_TSN", 192, "", []field{{"cum_tsn", 4, sender}}, idsTail, "ids"},
	{"I_FORWARD_TSN", 194, "", []field{{"cum_tsn", 4, sender}}, midsTail, "ids"},
}}

// paramTable holds the parameters: RFC 9260 (3.3), 3758, 4820, 5061, 6525, 9653.
var paramTable = &table{"parameter", "PARAMETER", "type", "val", []layout{
	{"HEARTBEAT_INFORMATION", 1, "", nil, bytesTail, "val"},
	{"IPV4_ADDRESS", 5, "", nil, addrTail, "addr"},
	{"IPV6_ADDRESS", 6, "", nil, addrTail, "addr"},
	{"STATE_COOKIE", 7, "", nil, bytesTail, "val"},
	{"UNRECOGNIZED_PARAMETER", 8, "", nil, inParamsTail, "params"},
	{"COOKIE_PRESERVATIVE", 9, "", []field{{"incr", 4, plain}}, noTail, ""},
	{"HOSTNAME_ADDRESS", 11, "", nil, textTail, "addr"},
	{"SUPPORTED_ADDRESS_TYPES", 12, "", nil, list16Tail, "types"},
	{"OUTGOING_SSN_RESET", 13, "", []field{{"req_sn", 4, sender}, {"resp_sn", 4, receiver}, {"last_tsn", 4, sender}}, list16Tail, "sids"},
	{"INCOMING_SSN_RESET", 14, "", []field{{"req_sn", 4, sender}}, list16Tail, "sids"},
	{"SSN_TSN_RESET", 15, "", []field{{"req_sn", 4, sender}}, noTail, ""},
	{"RECONFIG_RESPONSE", 16, "", []field{{"resp_sn", 4, receiver}, {"result", 4, plain}}, responseTail, ""},
	{"ADD_OUTGOING_STREAMS", 17, "", []field{{"req_sn", 4, sender}, {"number_of_new_streams", 2, plain}, {"", 2, plain}}, noTail, ""},
	{"ADD_INCOMING_STREAMS", 18, "", []field{{"req_sn", 4, sender}, {"number_of_new_streams", 2, plain}, {"", 2, plain}}, noTail, ""},
	{"ECN_CAPABLE", 0x8000, "", nil, noTail, ""},
	{"ZERO_CHECKSUM_ACCEPTABLE", 0x8001, "", []field{{"edmid", 4, plain}}, noTail, ""},
	{"PAD", 0x8005, "", nil, bytesTail, "val"},
	{"SUPPORTED_EXTENSIONS", 0x8008, "", nil, list8Tail, "types"},
	{"FORWARD_TSN_SUPPORTED", 0xC000, "", nil, noTail, ""},
	{"ADAPTATION_INDICATION", 0xC006, "", []field{{"adaptation_code_point", 4, plain}}, noTail, ""},
}}

// reconfigGeneric is a request whose type is given as a number.
const reconfigGeneric = "RECONFIG_REQUEST_GENERIC"

// causeTable holds the error causes of RFC 9260, section 3.3.10.
var causeTable = &table{"cause", "CAUSE", "code", "info", []layout{
	{"INVALID_STREAM_IDENTIFIER", 1, "", []field{{"sid", 2, plain}, {"", 2, plain}}, noTail, ""},
	{"MISSING_MANDATORY_PARAMETER", 2, "", nil, counted16, "types"},
	{"STALE_COOKIE_ERROR", 3, "", []field{{"staleness", 4, plain}}, noTail, ""},
	{"OUT_OF_RESOURCE", 4, "", nil, noTail, ""},
	{"UNRESOLVABLE_ADDRESS", 5, "", nil, paramTail, "param"},
	{"UNRECOGNIZED_CHUNK_TYPE", 6, "", nil, chunkTail, "chk"},
	{"INVALID_MANDATORY_PARAMETER", 7, "", nil, noTail, ""},
	{"UNRECOGNIZED_PARAMETERS", 8, "", nil, inParamsTail, "params"},
	{"NO_USER_DATA", 9, "", []field{{"tsn", 4, receiver}}, noTail, ""},
	{"COOKIE_RECEIVED_WHILE_SHUTDOWN", 10, "", nil, noTail, ""},
	{"RESTART_WITH_NEW_ADDRESSES", 11, "", nil, inParamsTail, "params"},
	{"USER_INITIATED_ABORT", 12, "", nil, textTail, "info"},
	{"PROTOCOL_VIOLATION", 13, "", nil, textTail, "info"},
}}

// tailKeys are the keys that a tail brings.
func (l *layout) tailKeys() []string {
	switch l.tail {
	case iDataTail:
		return []string{"ppid", "fsn"}
	case sackTail:
		return []string{"gaps", "dups"}
	case nrSackTail:
		return []string{"gaps", "nr_gaps", "dups"}
	case responseTail:
		return []string{"sender_next_tsn", "receiver_next_tsn"}
	case noTail, dataTail, paramsTail, causesTail:
		return nil
	}
	return []string{l.key}
}

// keys returns all keys that an item may have.
func (l *layout) keys() []string {
	keys := append([]string{"flgs", "len"}, l.tailKeys()...)
	for _, f := range l.fields {
		if f.key != "" {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// inner returns the table of the items among the arguments, nil if there are none.
func (l *layout) inner() *table {
	switch l.tail {
	case paramsTail:
		return paramTable
	case causesTail:
		return causeTable
	}
	return nil
}
