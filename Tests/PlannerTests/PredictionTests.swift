import MigrationModel
import TestSupport
import Testing

@testable import Planner

@Suite("What a move will be like")
struct PredictionTests {
    /// A guest of 1 GiB, of which 32 MiB are written again and again, over 1 Gbit/s.
    static func measurements() -> Measurements {
        Measurements(
            populatedPages: 262_144,
            windows: [
                .init(length: .milliseconds(50), dirtiedPages: 4000),
                .init(length: .milliseconds(200), dirtiedPages: 7000),
                .init(length: .milliseconds(800), dirtiedPages: 8000),
            ],
            laneRate: Bandwidth(
                bytesPerSecond: 100_000_000)...Bandwidth(
                    bytesPerSecond: 120_000_000),
            codingRatio: 2...3, handOver: .milliseconds(25), roundTrip: .milliseconds(1),
            downtimeBudget: .milliseconds(300))
    }

    // Broken by: a prediction whose words leave out a figure, or that says nothing of its inputs.
    @Test func inWords() {
        let prediction = Prediction(Self.measurements())
        #expect(
            prediction.measurements.description
                == "dirty 39 MiB/s over a 31 MiB working set · lanes 95–114 MiB/s · "
                + "coding 2.0–3.0 : 1")
        #expect(
            prediction.description
                == "4–5 rounds · 3.2–6.0 s · blackout 72–148 ms (budget 300 ms) · converges")
    }

    // Broken by: a curve that falls, leaves the measured windows, or passes the working set.
    @Test func dirtyCurve() {
        let measurements = Self.measurements()
        let low = DirtyCurve(measurements, .favourable)
        let high = DirtyCurve(measurements, .unfavourable)
        for curve in [low, high] {
            #expect(curve.pages(in: 0) == 0)
            #expect(curve.pages(in: 0.025) == 2000)
            #expect(curve.pages(in: 0.2) == 7000)
            #expect(curve.pages(in: 0.5) == 7500)
        }
        #expect(high.pages(in: 1.8).rounded() == 9667)
        #expect(high.pages(in: 1e9) == 262_144)
        // The last line is a twelfth as steep as the one before it.
        #expect(low.pages(in: 1e9).rounded() == 8091)
        for tenth in 0..<100 {
            let seconds = Double(tenth) / 10
            #expect(low.pages(in: seconds) <= low.pages(in: seconds + 0.1))
            #expect(low.pages(in: seconds) <= high.pages(in: seconds))
        }
    }

    // Broken by: a linear guest taken for one that levels off, or nothing measured for no writes.
    @Test func dirtyCurvesAtTheEdge() {
        var measurements = Self.measurements()
        measurements.windows = [1, 2, 4].map {
            .init(length: .seconds($0), dirtiedPages: UInt64($0) * 1000)
        }
        for end in DirtyCurve.End.allCases {
            #expect(DirtyCurve(measurements, end).pages(in: 10) == 10_000)
        }
        measurements.windows = []
        #expect(DirtyCurve(measurements, .favourable).pages(in: 5) == 0)
        #expect(DirtyCurve(measurements, .unfavourable).pages(in: 0.1) == 262_144)
        measurements.windows = [.init(length: .seconds(1), dirtiedPages: 500)]
        #expect(DirtyCurve(measurements, .favourable).pages(in: 9) == 500)
        #expect(DirtyCurve(measurements, .unfavourable).pages(in: 9) == 4500)
    }

    // Broken by: a rate below which it is said not to converge that is not the least one.
    @Test func theLeastRate() throws {
        var measurements = Self.measurements()
        measurements.bandwidthLimit = Bandwidth(bytesPerSecond: 5_000_000)
        let prediction = Prediction(measurements)
        guard case .never(let rate?) = prediction.convergence else {
            Issue.record("\(prediction.convergence)")
            return
        }
        #expect(prediction.convergenceWords == "will not converge below \(rate.megabits)")
        let curve = DirtyCurve(measurements, .favourable)
        let converges = { (rate: Double) in
            ModelledMove(
                measurements, curve, rate: rate, ratio: 3, stop: measurements.handOver
            ).converges
        }
        let bytes = Double(rate.bytesPerSecond)
        #expect(converges(bytes))
        #expect(!converges(bytes - 130_000))
    }

    // Broken by: a rate that is promised to help where the hand-over alone is too long, or no word
    // of the rate from which it is sure.
    @Test func convergence() {
        var measurements = Self.measurements()
        measurements.handOver = .milliseconds(400)
        #expect(Prediction(measurements).convergence == .never(below: nil))
        #expect(
            Prediction(measurements).convergenceWords == "will not converge at any rate")
        measurements = Self.measurements()
        measurements.laneRate =
            Bandwidth(bytesPerSecond: 1_000_000)...Bandwidth(bytesPerSecond: 200_000_000)
        guard case .uncertain(let rate?) = Prediction(measurements).convergence else {
            Issue.record("\(Prediction(measurements).convergence)")
            return
        }
        measurements.laneRate = rate...rate
        #expect(Prediction(measurements).convergence == .converges)
    }

    // Broken by: what is within called outside, or a share that is of the wrong end.
    @Test func checking() {
        let prediction = Prediction(Self.measurements())
        var downtime = Downtime()
        downtime.finalPages = prediction.blackout.upperBound * 2
        let report = MigrationReport(
            rounds: prediction.rounds.lowerBound, transfer: prediction.total.lowerBound / 2,
            downtime: downtime, guestBytes: ByteCount(1 << 30),
            wireBytes: prediction.bytes.upperBound.bytes, pages: PageCounts(), epoch: Epoch(1),
            sourceIsClean: true, isRunning: true)
        let check = prediction.check(against: report)
        #expect(!check.isWithin)
        #expect(check.findings.map(\.isWithin) == [true, true, false, false])
        #expect(check.findings[2].description.hasSuffix(": 50 % less"))
        #expect(
            check.findings[3].description == "blackout \(downtime.total.brief), predicted "
                + "\(prediction.blackout.brief): 100 % more")
    }

    // Broken by: measurements from outside that trap or never end, or ranges that are no ranges.
    @Test("any measurements", arguments: 1...200 as ClosedRange<UInt64>)
    func property(seed: UInt64) {
        var random = Seeded(seed)
        func number() -> UInt64 { random.next() >> UInt64(random.below(64)) }
        func range() -> ClosedRange<UInt64> {
            let (first, second) = (number(), number())
            return min(first, second)...max(first, second)
        }
        let rate = range()
        let measurements = Measurements(
            populatedPages: number(), zeroPages: number(),
            workingSetPages: random.below(2) == 0 ? nil : number(),
            windows: (0..<random.below(4)).map { _ in
                .init(
                    length: .milliseconds(Int64(random.below(1_000_000)) - 10),
                    dirtiedPages: range())
            },
            laneRate: Bandwidth(
                bytesPerSecond: rate.lowerBound)...Bandwidth(bytesPerSecond: rate.upperBound),
            codingRatio: Double(random.below(3))...Double(3 + random.below(100)),
            handOver: .milliseconds(random.below(1000)),
            roundTrip: .milliseconds(random.below(300)),
            downtimeBudget: .milliseconds(1 + random.below(1000)),
            bandwidthLimit: random.below(2) == 0 ? nil : Bandwidth(bytesPerSecond: number()))
        let prediction = Prediction(measurements)
        #expect(Prediction(measurements) == prediction)
        #expect(prediction.rounds.lowerBound >= 1)
        #expect(prediction.blackout.lowerBound >= measurements.handOver)
        #expect(prediction.total.lowerBound >= prediction.blackout.lowerBound)
        #expect(!prediction.description.isEmpty && !measurements.description.isEmpty)
    }

    // Broken by: a better link or a calmer guest that is predicted to be worse.
    @Test("less to do takes no longer", arguments: 1...100 as ClosedRange<UInt64>)
    func monotone(seed: UInt64) {
        var random = Seeded(seed)
        var busy = Self.measurements()
        busy.windows = busy.windows.map {
            .init(
                length: $0.length,
                dirtiedPages: $0.dirtiedPages.upperBound + UInt64(random.below(9000)))
        }
        var faster = busy
        let factor = UInt64(1 + random.below(20))
        faster.laneRate =
            Bandwidth(
                bytesPerSecond: busy.laneRate.lowerBound.bytesPerSecond * factor)...Bandwidth(
                bytesPerSecond: busy.laneRate.upperBound.bytesPerSecond * factor)
        let (before, after) = (Prediction(busy), Prediction(faster))
        #expect(after.blackout.upperBound <= before.blackout.upperBound)
        if before.convergence == .converges { #expect(after.convergence == .converges) }
    }
}
