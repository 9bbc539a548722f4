/// What a host remembers of being emptied: that it takes no guests, and which ones have left, were
/// saved or were stopped.
public struct Maintenance: Hashable, Sendable {
    /// Whether no guest may come, be defined or be started.
    public var isCordoned = false
    /// The guests that ran here, for the way back.
    public var guests: [Guest] = []

    /// The most guests.
    public static let guestLimit = 4096

    /// What became of a guest.
    public enum Fate: UInt8, Hashable, Sendable, CaseIterable {
        /// It was moved away.
        case moved = 0
        /// It was saved, on this host.
        case saved = 1
        /// It was shut down, on this host.
        case stopped = 2

        /// As it is written in documents.
        public var word: String { "\(self)" }
    }

    /// A guest that ran here.
    public struct Guest: Hashable, Sendable {
        /// The name, which is the same on every host.
        public var name: VMName
        /// The identity.
        public var uuid: VMUUID
        /// What became of it.
        public var fate: Fate

        /// Names a guest.
        public init(name: VMName, uuid: VMUUID, fate: Fate = .moved) {
            self.name = name
            self.uuid = uuid
            self.fate = fate
        }
    }

    /// A host that takes guests.
    public init() {}

    /// Closes the host to guests, and remembers those that are to leave beside those that have left
    /// since it was closed; of a host that was open, nothing earlier is remembered.
    /// - Throws: `E-RANGE` for more than `guestLimit` guests.
    public mutating func cordon(sending leaving: [Guest]) throws(LivemigError) {
        let identities = Set(leaving.map(\.uuid))
        let known = isCordoned ? guests.filter { !identities.contains($0.uuid) } : []
        guests = known + leaving
        isCordoned = true
        try check()
    }

    /// Opens the host to guests, and forgets who has left.
    public mutating func resume() { self = Maintenance() }

    /// Checks the list.
    /// - Throws: `E-RANGE` when it is too long, `E-USAGE` for a guest that is there twice.
    public func check() throws(LivemigError) {
        guard guests.count <= Self.guestLimit else {
            throw LivemigError(
                .range, "\(guests.count) guests that have left are more than \(Self.guestLimit)")
        }
        var seen: Set<VMUUID> = []
        for guest in guests where !seen.insert(guest.uuid).inserted {
            throw LivemigError(.usage, "guest \(guest.name) is there twice")
        }
    }

    /// Insists that guests may land here.
    /// - Throws: `E-CORDONED`.
    public func admit(at place: String) throws(LivemigError) {
        guard isCordoned else { return }
        throw LivemigError(
            .cordoned, "this host was drained and takes no guests", at: place,
            fix: "livemig resume opens it again")
    }
}
