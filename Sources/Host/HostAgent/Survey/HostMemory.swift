import Guardian
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel

/// How much memory a host has for guests: the one place that reckons with it.
///
/// What the system calls available is still that of guests which run and have not touched all of
/// theirs: a guest's memory is populated page by page.
struct HostMemory: Sendable {
    let root: HostRoot

    /// A guest and the memory that it may have.
    struct Guest: Hashable, Sendable {
        let name: VMName
        let memory: ByteCount
        /// How much of it the host has given already.
        let populated: ByteCount

        /// What it may still take.
        var missing: UInt64 { memory.bytes - min(memory.bytes, populated.bytes) }
    }

    /// All memory, and what can be had of it without swapping, by the system and by the limits of
    /// the groups in which guests run.
    var now: (total: ByteCount, available: ByteCount) {
        let slice = ServiceManager.of(root) == nil ? nil : ServiceManager.slice
        return MemoryLimits(slice: slice).applied(to: HostFactsProbe.memory())
    }

    /// What is left for one more guest.
    var free: ByteCount {
        let missing = guests().reduce(0 as UInt64) { $0 + $1.missing }
        let available = now.available.bytes
        return ByteCount(available - min(available, missing))
    }

    /// The guests that are here or on their way.
    ///
    /// - Parameter others: those that have a slot; one without a guardian may take all its memory.
    func guests(with others: [MoveSlots.Guest] = []) -> [Guest] {
        let store = MachineStore(root: root)
        let machines = (try? store.list())?.machines ?? []
        var guests = machines.compactMap { machine -> Guest? in
            guard !machine.state.isOff, let name = try? VMName(machine.name) else { return nil }
            return Guest(
                name: name, memory: machine.memory, populated: populated(name, machine.memory))
        }
        let known = Set(guests.map(\.name))
        guests += others.filter { !known.contains($0.name) }.map {
            Guest(name: $0.name, memory: $0.memory, populated: ByteCount(0))
        }
        return guests
    }

    /// How much a guest has; the hypervisor's library tells where no guardian does.
    private func populated(_ name: VMName, _ memory: ByteCount) -> ByteCount {
        if let state = MachineStore(root: root).guardianState(of: name) { return state.populated }
        let folder = root.machine(name)
        guard
            let file = try? PreloadLibrary.memory(
                socket: folder.memorySocket, of: folder.recordedHypervisor),
            let populated = try? file.populated
        else { return ByteCount(0) }
        return populated
    }
}
