/// What a user of a guest's console may do; the raw value goes over the wire.
public enum ConsoleAccess: UInt8, Hashable, Sendable, CaseIterable {
    /// See what the guest writes.
    case watch = 1
    /// Type as well, unless somebody else does.
    case type = 2
    /// Type, and leave whoever typed until now to watch.
    case takeOver = 3
}

/// Why a guest's console has ended.
public enum ConsoleEnding: Hashable, Sendable {
    /// The guest is off on this host.
    case off
    /// The guest was saved to a file of its host.
    case saved
    /// The guest was moved to a host of this name.
    case moved(to: String)
    /// The process that served the console has ended; the guest may run on.
    case lost
}
