import Glibc
import Guardian
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationEngine
import MigrationModel
import Ownership
import PageCodec
import WireProtocol

/// Measures what a guest writes, and what lanes to a destination carry, without moving anything.
///
/// The guest runs meanwhile; its writes are tracked for less than two seconds, as they are in a
/// move. Pages go to the destination as in a move, where they are thrown away.
struct GuestMeasuring: Sendable {
    let environment: AgentEnvironment
    let request: MeasureGuest

    /// How long one window is at least.
    private static let slice: Duration = .milliseconds(25)
    /// How many windows there are; a power of two, so that all of them make one.
    private static let slices = 64
    /// How long windows are looked at at most: harvests of large guests take their time.
    private static let windowLimit: Duration = .seconds(3)
    /// How many pages are coded at most, of those in use and of those that are written; time ends
    /// a sample earlier.
    private static let sampleLimit = 131_072
    /// A guest that uses fewer pages tells little of what lanes carry.
    private static let fewPages = 8192
    /// The ratio where there was nothing to code.
    private static let noRatio = 1.0

    /// Measures.
    /// - Throws: `E-NOVM`; `E-NOTRUNNING`; `E-BUSY` while the guest is moved or measured; `E-KERNEL`.
    func run() throws(LivemigError) -> GuestMeasurement {
        let folder = environment.root.machine(request.name)
        let definition = try MachineStore(root: environment.root).definition(of: request.name)
        try TrackingSupport.ofThisProcess.require(kernel: HostFactsProbe.platform().release)
        let guardian = try self.guardian()
        let memory = try GuestMemoryFile(
            adopting: try guardian.memory(), expecting: definition.memory)
        let turn = try TrackingTurn.now(for: folder)
        // A move that began before the turn was taken has begun with the guardian.
        try requireRest(guardian)
        let windows: DirtyWindows
        do throws(LivemigError) {
            windows = try observe(memory, in: folder)
            turn.end()
        } catch {
            turn.end()
            throw error
        }
        return try measure(memory, windows)
    }

    private func guardian() throws(LivemigError) -> GuardianClient {
        let socket = environment.root.machine(request.name).guardianSocket
        do throws(LivemigError) {
            return try GuardianClient(connecting: socket)
        } catch {
            guard error.code == .notRunning else { throw error }
            throw LivemigError(
                .notRunning, "VM \(request.name) does not run: there is nothing to measure",
                at: environment.root.path, fix: "start it, or move it without a prediction")
        }
    }

    private func requireRest(_ guardian: borrowing GuardianClient) throws(LivemigError) {
        let state = try guardian.request(
            GuardianDescribe(wantsMemory: false), for: GuardianState.self)
        guard case .owner = state.record.right else {
            throw LivemigError(
                .busy, "VM \(request.name) is on its way: it is not measured meanwhile",
                at: environment.root.path, fix: "wait for the end of the move")
        }
    }

    // MARK: What the guest writes

    private func observe(
        _ memory: borrowing GuestMemoryFile, in folder: MachineFolder
    ) throws(LivemigError) -> DirtyWindows {
        var tracker = try DirtyTracker(
            try folder.startTracking(of: memory), pageCount: memory.pageCount)
        var windows = DirtyWindows(pageCount: memory.pageCount)
        var pages = PageBitmap(pageCount: memory.pageCount)
        try tracker.harvest(into: &pages)
        let start = MonotonicTime.now
        var last = start
        for _ in 0..<Self.slices where start.elapsed < Self.windowLimit {
            let rest = last + Self.slice - .now
            if rest > .zero { _ = try Poll.wait([], timeout: rest) }
            pages.removeAll()
            try tracker.harvest(into: &pages)
            let now = MonotonicTime.now
            windows.add(pages, length: now - last)
            last = now
        }
        return windows
    }

    // MARK: How its pages travel

    private func measure(
        _ memory: borrowing GuestMemoryFile, _ windows: DirtyWindows
    ) throws(LivemigError) -> GuestMeasurement {
        var populated = PageBitmap(pageCount: memory.pageCount)
        try memory.addPopulatedPages(to: &populated)
        let count = request.policy.lanes ?? SourceSession.defaultLanes(for: memory.size)
        let written = PageSample(of: windows.written, limit: sampleLimit)
        var others = populated
        others.subtract(windows.written)
        let calm = PageSample(of: others, limit: sampleLimit)
        let image = try SourceImage(memory, key: PageHashKey(secret: .random(in: .min ... .max)))
        let lanes = LanesMeasuring(
            root: environment.root, peer: request.peer, policy: request.policy, image: image,
            count: count, calm: calm, written: written,
            filler: populated.count < Self.fewPages ? try LaneFiller() : nil)
        let result: Result<LanesMeasuring.Outcome, LivemigError>
        do throws(LivemigError) {
            result = .success(try lanes.run())
        } catch {
            result = .failure(error)
        }
        let outcome = try? result.get()
        let ratios = outcome?.ratios ?? []
        let zeros = outcome?.zeroShare ?? 0
        return GuestMeasurement(
            populatedPages: UInt64(populated.count),
            zeroPages: UInt64(Double(populated.count) * zeros), windows: windows.windows,
            codingRatio: (ratios.min() ?? Self.noRatio)...(ratios.max() ?? Self.noRatio),
            deviceState: DeviceStateSize.expected(in: environment.root.machine(request.name)),
            lanes: result.map(\.lanes))
    }

    /// A limit of the rate holds for the sample as well: it takes no longer than without.
    private var sampleLimit: Int {
        guard let limit = request.policy.bandwidth else { return Self.sampleLimit }
        let pages =
            Double(limit.bytesPerSecond) * LaneMeasuring.timeLimit.seconds
            / Double(PageGeometry.pageSize)
        return max(BatchLimits.pages, Int(min(pages, Double(Self.sampleLimit))))
    }
}
