/// What went wrong, in the words a user sees: what, where, what to do, and where the guest is now.
///
/// One error type crosses every module, host and program, so that the peer's reason arrives as it
/// was said. Printed as `livemig: error[E-CODE]: what; where; what to do`.
public struct LivemigError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind, which decides the exit code.
    public var code: ErrorCode
    /// What happened, in one clause without a full stop.
    public var what: String
    /// Where it happened (a host, a VM, a file with line and column), empty when `what` says it.
    public var place: String
    /// What the user can do; empty when there is nothing to advise.
    public var fix: String
    /// What became of the guest, where a guest is concerned.
    public var guest: GuestLocation?
    /// Set where nothing was begun because other moves have all slots of the host for guests that go
    /// this way: the same move can be made once one of them has ended.
    public var fullSlots: MoveDirection?

    /// States an error.
    /// - Parameters:
    ///   - code: the kind.
    ///   - what: what happened.
    ///   - place: where it happened.
    ///   - fix: what the user can do.
    ///   - guest: what became of the guest.
    ///   - fullSlots: of which slots there was none, where that is all.
    public init(
        _ code: ErrorCode, _ what: String, at place: String = "", fix: String = "",
        guest: GuestLocation? = nil, fullSlots: MoveDirection? = nil
    ) {
        self.code = code
        self.what = what
        self.place = place
        self.fix = fix
        self.guest = guest
        self.fullSlots = fullSlots
    }

    /// The same error, with the place filled in if it had none.
    public func at(_ place: String) -> LivemigError {
        var copy = self
        if copy.place.isEmpty { copy.place = place }
        return copy
    }

    /// The same error, saying where the guest is.
    public func with(guest: GuestLocation) -> LivemigError {
        var copy = self
        copy.guest = guest
        return copy
    }

    /// `what; where; what to do`, without the code, on one line whatever a peer has put into it.
    public var explanation: String {
        [what, place, fix].filter { !$0.isEmpty }.joined(separator: "; ").onOneLine()
    }

    /// `error[E-CODE]: what; where; what to do`.
    public var description: String { "error[\(code.rawValue)]: \(explanation)" }
}

/// Where a guest is and in which state, as far as livemig knows.
public struct GuestLocation: Hashable, Sendable, CustomStringConvertible {
    /// What the guest does there.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// The vCPUs run.
        case running
        /// The vCPUs stand still, on purpose.
        case paused
        /// The vCPUs stand still because a disk could not be read or written.
        case ioError = "io-error"
        /// The guest or its hypervisor has failed, and does not go on.
        case failed
        /// No process holds the guest.
        case stopped
        /// No process holds the guest; its memory and devices are in a file of its host.
        case saved
        /// Between the two hosts, decided by `livemig recover`.
        case inTransfer = "in-transfer"
        /// Nobody could be asked.
        case unknown

        /// Whether no process holds the guest, for certain.
        public var isOff: Bool { self == .stopped || self == .saved }

        /// Whether a process holds the guest, for certain.
        public var hasGuest: Bool {
            switch self {
            case .running, .paused, .ioError, .failed: true
            case .stopped, .saved, .inTransfer, .unknown: false
            }
        }
    }

    /// The VM.
    public var vm: String
    /// Running, paused or neither.
    public var state: State
    /// The host that holds it; empty when in transfer or unknown.
    public var host: String
    /// The epoch of the record there.
    public var epoch: Epoch

    /// Says where a guest is.
    public init(vm: String, state: State, host: String, epoch: Epoch) {
        self.vm = vm
        self.state = state
        self.host = host
        self.epoch = epoch
    }

    /// The line a command ends with, such as `VM web1 is RUNNING on alpha (epoch 7)`.
    public var description: String {
        switch state {
        case .running, .paused, .stopped, .saved:
            "VM \(vm) is \(state.rawValue.uppercased()) on \(host) (epoch \(epoch))".onOneLine()
        case .ioError:
            "VM \(vm) is PAUSED BY AN I/O ERROR on \(host) (epoch \(epoch))".onOneLine()
        case .failed: "VM \(vm) has FAILED on \(host) (epoch \(epoch))".onOneLine()
        case .inTransfer:
            "VM \(vm) is IN TRANSFER: run livemig recover \(vm)".onOneLine()
        case .unknown:
            "VM \(vm): nobody could be asked where it runs; run livemig status \(vm)".onOneLine()
        }
    }
}
