import Glibc
import HostPolicies
import LinuxSystem
import MigrationModel

/// Whether one more guest fits into this host's memory, whether it comes from elsewhere, is started
/// or restored.
struct MemoryAdmission: Sendable {
    let root: HostRoot
    let policy: HostPolicy

    /// Insists on room for a guest, beside the reserve, what running guests may still take, and
    /// what was promised to guests on their way here.
    /// - Parameter others: the guests that have a slot.
    /// - Throws: `E-NOMEM`, saying how much there is.
    func check(
        _ definition: VMDefinition, beside others: [MoveSlots.Guest]
    ) throws(LivemigError) {
        let memory = HostMemory(root: root)
        let now = memory.now
        let reserve = policy.memoryReserve(of: now.total)
        let guests = memory.guests(with: others).filter { $0.name != definition.name }
        let missing = guests.reduce(0 as UInt64) {
            $0.addingReportingOverflow($1.missing).partialValue
        }
        let room = Self.room(now.available, reserve, promised: missing)
        guard definition.memory > room else { return }
        let pages = HugePagesProbe.read()
        let beside =
            missing == 0 ? "" : " and \(ByteCount(missing)) that other guests may still take"
        throw LivemigError(
            .memory,
            "VM \(definition.name) needs \(definition.memory), \(room) is available beside a "
                + "reserve of \(reserve)\(beside)\(pages.clause(of: now.total))", at: root.path,
            fix: "free memory, choose another host, or lower its --memory-reserve\(pages.advice)")
    }

    /// Insists on room for a guest that is to be started here.
    ///
    /// - Returns: a lock that is to be held until the guest's guardian answers, so that nobody who
    ///   reckons meanwhile overlooks the guest.
    static func admitStart(
        of definition: VMDefinition, in root: HostRoot
    ) throws(LivemigError) -> MoveSlot {
        let turn = try takeTurn(root)
        try MemoryAdmission(root: root, policy: try root.policy.load())
            .check(definition, beside: try MoveSlots(root: root).guests(.incoming))
        return turn
    }

    /// Waits for starts whose guests cannot be seen yet, and keeps others back.
    static func takeTurn(_ root: HostRoot) throws(LivemigError) -> MoveSlot {
        let path = root.moves + "/starting"
        let turn = MoveSlot(
            try PrivateFile.open(path, O_RDWR | O_CREAT, as: .root), path: path)
        try turn.lock()
        return turn
    }

    /// Insists that a guest is not larger than the host.
    /// - Throws: `E-NOMEM`.
    static func requirePossible(
        _ definition: VMDefinition, in root: HostRoot
    ) throws(LivemigError) {
        let total = HostMemory(root: root).now.total
        guard definition.memory > total else { return }
        throw LivemigError(
            .memory,
            "VM \(definition.name) needs \(definition.memory), the host has \(total) in all",
            at: root.path, fix: "give the VM less <memory>, or define it on a larger host")
    }

    /// What a guest may have at most.
    static func room(
        _ available: ByteCount, _ reserve: ByteCount, promised: UInt64
    ) -> ByteCount {
        let kept = reserve.bytes.addingReportingOverflow(promised)
        guard !kept.overflow, kept.partialValue < available.bytes else { return ByteCount(0) }
        return ByteCount(available.bytes - kept.partialValue)
    }
}
