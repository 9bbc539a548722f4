/// The kinds of error a user can meet; the raw value is printed and is stable.
public enum ErrorCode: String, Hashable, Sendable, CaseIterable {
    // Usage
    case usage = "E-USAGE"
    case hostName = "E-HOSTNAME"
    case vmName = "E-VMNAME"
    case ambiguousVM = "E-AMBIGUOUS"
    case port = "E-PORT"
    case size = "E-SIZE"
    case range = "E-RANGE"
    // Documents
    case file = "E-FILE"
    case fileType = "E-FILETYPE"
    case xml = "E-XML"
    case xmlDTD = "E-XML-DTD"
    case xmlLimit = "E-XML-LIMIT"
    case xmlSchema = "E-XML-SCHEMA"
    case xmlUnsupported = "E-XML-UNSUPPORTED"
    // Trust
    case hostKeyUnknown = "E-HOSTKEY-UNKNOWN"
    case hostKeyChanged = "E-HOSTKEY-CHANGED"
    case authentication = "E-AUTH"
    case keyMode = "E-KEYMODE"
    case inventoryMode = "E-INVENTORYMODE"
    case key = "E-KEY"
    case algorithm = "E-ALGO"
    case sshConfiguration = "E-SSHCONFIG"
    case gate = "E-GATE"
    case become = "E-SUDO"
    // Reaching a host
    case connect = "E-CONNECT"
    case connectDropped = "E-CONNECT-DROPPED"
    case noAgent = "E-NOAGENT"
    case version = "E-VERSION"
    case hello = "E-HELLO"
    case wire = "E-WIRE"
    case wireRange = "E-WIRE-RANGE"
    case stall = "E-STALL"
    case disconnected = "E-DISCONNECTED"
    // Preflight
    case noHost = "E-NOHOST"
    case noVM = "E-NOVM"
    case sameHost = "E-SAMEHOST"
    case alreadyThere = "E-ALREADY-THERE"
    case notRunning = "E-NOTRUNNING"
    case paused = "E-PAUSED"
    case vmState = "E-VMSTATE"
    case duplicateVM = "E-DUPVM"
    case unasked = "E-UNASKED"
    case exists = "E-EXISTS"
    case kernel = "E-KERNEL"
    case cpu = "E-CPU"
    case device = "E-DEVICE"
    case disk = "E-DISK"
    case forbidden = "E-FORBIDDEN"
    case cache = "E-CACHE"
    case network = "E-NET"
    case machine = "E-MACHINE"
    case qemu = "E-QEMU"
    case qemuCapability = "E-QEMU-CAP"
    case preload = "E-PRELOAD"
    case memory = "E-NOMEM"
    case noTarget = "E-NOTARGET"
    case journal = "E-JOURNAL"
    case journalCorrupt = "E-JOURNAL-CORRUPT"
    case staleRecord = "E-STALE"
    case root = "E-ROOT"
    case permission = "E-PERMISSION"
    case disabled = "E-DISABLED"
    case cordoned = "E-CORDONED"
    case notEmpty = "E-NOTEMPTY"
    // Saved guests
    case saved = "E-SAVED"
    case savedFile = "E-SAVEDFILE"
    case diskSpace = "E-DISKSPACE"
    case peer = "E-PEER"
    case hook = "E-HOOK"
    // History
    case history = "E-HISTORY"
    case noMove = "E-NOMOVE"
    // During a move
    case busy = "E-BUSY"
    case qmp = "E-QMP"
    case qmpProtocol = "E-QMP-PROTO"
    case destinationQEMU = "E-DSTQEMU"
    case deviceState = "E-DEVICE-STATE"
    case lock = "E-LOCK"
    case blackout = "E-BLACKOUT"
    case verify = "E-VERIFY"
    case converge = "E-CONVERGE"
    case timeout = "E-TIMEOUT"
    case cancelled = "E-CANCELLED"
    case poison = "E-POISON"
    case guestDown = "E-GUESTDOWN"
    case migrationID = "E-TXID"
    case fsync = "E-FSYNC"
    case inTransfer = "E-INTRANSFER"
    case tooLate = "E-TOOLATE"
    case cleanup = "E-CLEANUP"
    case resource = "E-RESOURCE"
    case io = "E-IO"
    case `internal` = "E-INTERNAL"

    /// Whether a file that livemig reads is not what it should be.
    public var isOfDocument: Bool {
        switch self {
        case .file, .fileType, .xml, .xmlDTD, .xmlLimit, .xmlSchema, .xmlUnsupported: true
        default: false
        }
    }

    /// Whether a host has answered, and cannot read a VM's record or definition.
    public var isOfDamage: Bool {
        self == .journal || self == .journalCorrupt || self == .staleRecord || isOfDocument
    }

    /// The exit code that a command ends with when this error is its result.
    public var exitCode: ExitCode {
        switch self {
        case .usage, .hostName, .vmName, .ambiguousVM, .port, .size, .range: .usage
        case .hostKeyUnknown, .hostKeyChanged, .authentication, .keyMode, .inventoryMode, .key,
            .algorithm, .gate, .become, .sshConfiguration:
            .trust
        case .connect, .connectDropped, .wire, .wireRange, .stall, .disconnected, .qmp,
            .qmpProtocol, .destinationQEMU, .deviceState, .lock, .blackout, .timeout,
            .poison, .migrationID, .fsync, .resource, .io:
            .failedOnSource
        case .inTransfer: .inTransfer
        case .tooLate, .cleanup: .committed
        case .cancelled: .cancelled
        case .verify: .verification
        case .internal, .journalCorrupt: .internal
        case .busy: .busy
        case .converge: .notConverged
        case .memory, .noTarget, .diskSpace: .resources
        default: .refused
        }
    }
}

/// How a command ended and where that leaves the guest; published in the manual, values fixed.
public enum ExitCode: Int32, Hashable, Sendable, CaseIterable {
    /// Moved and verified, or the command did what was asked.
    case success = 0
    /// The command line was not understood.
    case usage = 2
    /// Refused before anything was touched.
    case refused = 3
    /// Host key or authentication.
    case trust = 4
    /// Failed; the guest runs on the source.
    case failedOnSource = 5
    /// Committed; the guest runs on the destination, the clean-up is incomplete.
    case committed = 6
    /// In transfer, or a peer is unreachable: run `livemig recover`.
    case inTransfer = 7
    /// Cancelled; the guest runs on the source.
    case cancelled = 8
    /// The copy of memory differs.
    case verification = 9
    /// A bug of livemig's own, or records that contradict each other.
    case `internal` = 10
    /// Another migration holds the VM.
    case busy = 11
    /// Did not converge; the guest runs on the source.
    case notConverged = 12
    /// The destination lacks resources.
    case resources = 13
}
