/// One item of a compatibility report: what stands in the way of a move, or should be known before.
public struct Finding: Hashable, Sendable {
    /// What it is about; stable, for scripts.
    public enum Kind: Hashable, Sendable {
        /// The move would be refused, or fail, with this error.
        case error(ErrorCode)
        /// The move would be made all the same, or after a while.
        case warning(Warning)
    }

    /// The kinds of warning; the raw value is printed and is stable.
    public enum Warning: String, Hashable, Sendable, CaseIterable {
        /// The hosts' clocks differ.
        case clock = "W-CLOCK"
        /// The guest may see other CPU features, or the same by chance.
        case cpu = "W-CPU"
        /// Nothing keeps the other host from writing to a disk.
        case fence = "W-FENCE"
        /// A hook that runs afterwards has failed.
        case hook = "W-HOOK"
        /// Written pages are found by the huge page.
        case hugePages = "W-HUGEPAGES"
        /// Two systems have one machine-id.
        case identity = "W-IDENTITY"
        /// A host took fewer connections than the move has lanes.
        case lanes = "W-LANES"
        /// The destination would have little memory left.
        case memory = "W-MEMORY"
        /// The guest's network may not be what it was.
        case network = "W-NETWORK"
        /// The guest's own policy speaks against the host.
        case policy = "W-POLICY"
        /// A host has as many moves under way as it allows.
        case slots = "W-SLOTS"
        /// A disk has little room to grow.
        case space = "W-SPACE"
        /// The guest could not be moved back.
        case trust = "W-TRUST"
        /// The hosts run different versions.
        case version = "W-VERSION"
    }

    /// What it is about, and how bad it is.
    public var kind: Kind
    /// What was found, in one clause.
    public var message: String
    /// The object that it is about, such as a disk; empty when the message says it.
    public var place: String
    /// What the source has, where the sides are compared; else empty.
    public var source: String
    /// What the destination has; else empty.
    public var destination: String
    /// What to do about it; empty when there is nothing to advise.
    public var fix: String

    /// States a finding.
    public init(
        _ kind: Kind, _ message: String, at place: String = "", source: String = "",
        destination: String = "", fix: String = ""
    ) {
        self.kind = kind
        self.message = message
        self.place = place
        self.source = source
        self.destination = destination
        self.fix = fix
    }

    /// An error as a finding.
    public init(_ error: LivemigError) {
        self.init(.error(error.code), error.what, at: error.place, fix: error.fix)
    }

    /// The identifier, such as `E-NOMEM` or `W-CLOCK`.
    public var id: String {
        switch kind {
        case .error(let code): code.rawValue
        case .warning(let warning): warning.rawValue
        }
    }

    /// The error that a move would end with; `nil` for a warning.
    public var error: LivemigError? {
        guard case .error(let code) = kind else { return nil }
        return LivemigError(code, message, at: place, fix: fix)
    }
}

extension Finding.Kind {
    /// Reads an identifier; `nil` for one that does not exist.
    public init?(id: String) {
        if let code = ErrorCode(rawValue: id) {
            self = .error(code)
        } else if let warning = Finding.Warning(rawValue: id) {
            self = .warning(warning)
        } else {
            return nil
        }
    }
}

/// All findings about one VM and one destination.
public struct CompatibilityReport: Hashable, Sendable {
    /// The VM.
    public var vm: String
    /// Where it is.
    public var source: HostName
    /// Where it would go.
    public var destination: HostName
    /// What was found, errors first.
    public var findings: [Finding]
    /// Why the destination could not be asked, which is the first finding then; `nil` where it was.
    public var unreached: LivemigError?

    /// Orders findings: errors before warnings, each in the order in which they were found.
    public init(
        vm: String, source: HostName, destination: HostName, findings: [Finding],
        unreached: LivemigError? = nil
    ) {
        self.vm = vm
        self.source = source
        self.destination = destination
        self.unreached = unreached
        let all = (unreached.map { [Finding($0)] } ?? []) + findings
        self.findings = all.filter { $0.error != nil } + all.filter { $0.error == nil }
    }

    /// The errors.
    public var errors: [LivemigError] { findings.compactMap(\.error) }
    /// Whether the VM could be moved.
    public var isCompatible: Bool { errors.isEmpty }
    /// The exit code of a command whose result this is: that of a destination that could not be
    /// asked, else whether the VM could be moved.
    public var exitCode: ExitCode {
        unreached?.code.exitCode ?? (isCompatible ? .success : .refused)
    }
}

extension [Finding] {
    /// Runs a check; its error is a finding.
    public mutating func note(_ check: () throws(LivemigError) -> Void) {
        do {
            try check()
        } catch {
            append(Finding(error))
        }
    }
}
