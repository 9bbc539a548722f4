import Glibc
import MigrationModel
import Testing

@testable import LinuxSystem

@Suite("Silence of several connections")
struct ActivityTests {
    private static let stall: Duration = .milliseconds(300)

    /// Reads a byte that comes after a second, and says how that ends.
    ///
    /// - Parameters:
    ///   - contributes: whether what is read counts for others.
    ///   - move: what happens on the other connections meanwhile, time and again.
    private func read(
        beside activity: Activity, contributes: Bool = false, _ move: @escaping @Sendable () -> Void
    ) throws -> LivemigError? {
        let ends = try UnixSocket.pair(.stream).release()
        let far = ends.first
        var channel = try DescriptorChannel(
            socket: OwnedDescriptor(owning: ends.second), stall: Self.stall,
            silence: SharedSilence(activity, contributes: contributes))
        let others = WorkerThread("others") {
            let sender = OwnedDescriptor(owning: far)
            for _ in 0..<20 {
                move()
                usleep(50_000)
            }
            try DescriptorIO.write([7], to: sender.number)
        }
        defer { _ = try? others.join() }
        var byte: [UInt8] = [0]
        do throws(LivemigError) {
            let result = unsafe byte.withUnsafeMutableBytes { buffer in
                Result { () throws(LivemigError) in try unsafe channel.read(into: buffer) }
            }
            _ = try result.get()
            return nil
        } catch {
            return error
        }
    }

    // Breaks when one of several connections is given up for having no turn while others go on.
    @Test func othersExcuse() throws {
        let activity = Activity()
        #expect(try read(beside: activity) { activity.note() } == nil)
    }

    // Breaks when a connection outlives the path: nothing moves on any of them.
    @Test func silenceOfAllEnds() throws {
        #expect(try read(beside: Activity()) {}?.code == .stall)
    }

    // Breaks when the end says how long the last wait was, and not how long all were silent.
    @Test func silenceIsTold() throws {
        let activity = Activity()
        let start = MonotonicTime.now
        let error = try read(beside: activity) {
            if start.elapsed < .milliseconds(200) { activity.note() }
        }
        #expect(error?.what == "nothing received for \(Self.stall.brief)")
    }

    // Breaks when what waits for a buffer that empties itself is given up, or waited for without
    // limit.
    @Test func drains() throws {
        let activity = Activity()
        let result = try activity.drain { () throws(LivemigError) in
            Result { try read(beside: activity) {} }
        }
        #expect(try result.get() == nil)
        #expect(Activity.drainLimit > Self.stall)
        usleep(350_000)
        #expect(activity.remaining(of: Self.stall) == nil)
    }

    // Breaks when a link that goes on talking keeps lanes alive on which nothing moves.
    @Test(arguments: [true, false]) func onlyLanesCount(contributes: Bool) throws {
        let activity = Activity()
        usleep(100_000)
        let before = activity.remaining(of: .seconds(10))
        SharedSilence(activity, contributes: contributes).note()
        let after = activity.remaining(of: .seconds(10))
        let (least, most) = (try #require(before), try #require(after))
        #expect((most > least + .milliseconds(50)) == contributes)
    }
}
