import Glibc
import Guardian
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel

/// Whether a guest from elsewhere fits into this host's memory.
///
/// What the system calls available still holds the memory of guests on their way here: theirs is
/// populated page by page as pages arrive.
struct MemoryAdmission: Sendable {
    let root: HostRoot
    let policy: HostPolicy

    /// Insists on room for a guest, beside the reserve and what was promised to others before.
    /// - Throws: `E-NOMEM`, saying how much there is.
    func check(
        _ definition: VMDefinition, beside others: [MoveSlots.Guest]
    ) throws(LivemigError) {
        let memory = HostFactsProbe.memory()
        let reserve = policy.memoryReserve(of: memory.total)
        let most = others.reduce(0) { $0 + $1.memory.bytes }
        var room = Self.room(memory.available, reserve, promised: most)
        // Only who would be refused is worth a question to the guardians.
        if definition.memory > room {
            let missing = others.reduce(0) { $0 + $1.memory.bytes - populated($1) }
            room = Self.room(memory.available, reserve, promised: missing)
        }
        guard definition.memory > room else { return }
        let pages = HugePagesProbe.read()
        let beside = others.isEmpty ? "" : " and what is promised to guests on their way here"
        throw LivemigError(
            .memory,
            "VM \(definition.name) needs \(definition.memory), \(room) is available beside a "
                + "reserve of \(reserve)\(beside)\(pages.clause(of: memory.total))", at: root.path,
            fix: "free memory, choose another host, or lower its --memory-reserve\(pages.advice)")
    }

    /// What a guest may have at most.
    static func room(
        _ available: ByteCount, _ reserve: ByteCount, promised: UInt64
    ) -> ByteCount {
        let kept = reserve.bytes.addingReportingOverflow(promised)
        guard !kept.overflow, kept.partialValue < available.bytes else { return ByteCount(0) }
        return ByteCount(available.bytes - kept.partialValue)
    }

    /// How much of a guest's memory is there already; nothing before its guardian runs.
    private func populated(_ guest: MoveSlots.Guest) -> UInt64 {
        let socket = root.machine(guest.name).guardianSocket
        guard let client = try? GuardianClient(connecting: socket),
            let file = try? GuestMemoryFile(adopting: client.memory()),
            let populated = try? file.populated
        else { return 0 }
        return min(populated.bytes, guest.memory.bytes)
    }
}
